#include "lib/net/resolv_conf.h"

#include <algorithm>
#include <optional>

#include "lib/base/text.h"
#include "lib/base/units.h"

namespace arcus {

/// The words of a line, up to a comment.
static std::vector<std::string> words_of(std::string_view line) {
  std::string clean{line.substr(0, line.find_first_of("#;"))};
  std::ranges::replace(clean, '\t', ' ');
  std::ranges::replace(clean, '\r', ' ');
  std::vector<std::string> words = split(clean, ' ');
  std::erase(words, "");
  return words;
}

/// The server of a `nameserver` line for c-ares; "address#port" keeps its port, a zone is not followed.
static std::optional<std::string> server_of(std::string_view line) {
  const std::size_t start = line.find_first_of(" \t");
  if (start == std::string_view::npos) return std::nullopt;
  std::string_view text = trim(line.substr(start));
  text = text.substr(0, text.find_first_of(" \t\r;"));
  const std::size_t hash = text.find('#');
  const auto address = IpAddress::parse(text.substr(0, hash));
  if (!address) return std::nullopt;
  const auto port = hash == std::string_view::npos ? std::nullopt : parse_port(text.substr(hash + 1));
  return Endpoint{*address, port.value_or(53)}.to_string();
}

static void read_option(std::string_view word, ResolvConf& conf) {
  const std::size_t colon = word.find(':');
  if (colon == std::string_view::npos) return;
  const auto value = parse_integer(word.substr(colon + 1));
  if (!value) return;
  const std::string_view key = word.substr(0, colon);
  if (key == "ndots") conf.ndots = static_cast<int>(std::clamp<std::int64_t>(*value, 0, 15));
  if (key == "timeout") conf.timeout_ms = static_cast<int>(std::clamp<std::int64_t>(*value, 1, 30)) * 1'000;
  if (key == "attempts") conf.attempts = static_cast<int>(std::clamp<std::int64_t>(*value, 1, 5));
}

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") {
      if (auto server = server_of(trim(line))) conf.servers.push_back(std::move(*server));
    } else if (words[0] == "search" || words[0] == "domain") {
      conf.search.assign(words.begin() + 1, words.end());
    } else if (words[0] == "options") {
      for (const std::string& word : words) read_option(word, conf);
    }
  }
  if (conf.servers.empty()) conf.servers.emplace_back("127.0.0.1:53");
  return conf;
}

HostsTable parse_hosts(std::string_view text) {
  HostsTable table;
  for (const std::string& line : split(text, '\n')) {
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 2) continue;
    const auto address = IpAddress::parse(words[0]);
    if (!address) continue;
    for (std::size_t i = 1; i < words.size(); ++i) {
      auto& addresses = table[to_lower(words[i])];
      if (std::ranges::find(addresses, *address) == addresses.end()) addresses.push_back(*address);
    }
  }
  return table;
}

}  // namespace arcus
