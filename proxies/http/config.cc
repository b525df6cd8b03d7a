#include "proxies/http/config.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::http {

static ForwardedFor forwarded_mode(std::string_view word, bool reverse) noexcept {
  if (word == "append") return ForwardedFor::append;
  if (word == "keep") return ForwardedFor::keep;
  if (word == "replace") return ForwardedFor::replace;
  return word == "auto" && reverse ? ForwardedFor::replace : ForwardedFor::remove;
}

/// The words of a list: separated by commas or blanks, lower case, JSON's brackets and quotes left out.
static std::vector<std::string> words_of(std::string_view list) {
  std::string plain = to_lower(list);
  std::ranges::replace_if(
      plain, [](char c) { return c == '[' || c == ']' || c == '"' || c == ' '; }, ',');
  std::vector<std::string> words = split(plain, ',');
  std::erase(words, "");
  return words;
}

HttpConfig::HttpConfig(const ServerConfig& config) {
  for (const Backend& backend : config.backends->all()) {
    backend_literals.push_back(IpAddress::parse(backend.spec.host));
    reverse = true;
  }
  for (const wire::RouteConfig& route : config.wire.routes) routes.add(route.pattern, route.target);
  reverse = reverse || !routes.empty();
  forwarded_for = forwarded_mode(config.options.text("forwarded_for"), reverse);
  // A token of this server's own: two proxies of one registry in a row are no loop.
  if (config.options.boolean("via")) via = config.facts->instance() + "-" + config.wire.id.substr(0, 6);
  upgrades = words_of(config.options.text("upgrade"));
  pool_idle_per_host = static_cast<std::size_t>(config.options.integer("pool_idle_per_host"));
  for (const std::string& word : words_of(config.options.text("connect_ports"))) {
    const auto port = parse_port(word);
    if (!port && word != "*") throw Error(ErrorKind::failed, "connect_ports: '" + word + "' is not a port");
    if (port) connect_ports_.push_back(*port);
    connect_any_ = connect_any_ || !port;
  }
}

bool HttpConfig::may_connect(std::uint16_t port) const noexcept {
  return connect_any_ || std::ranges::find(connect_ports_, port) != connect_ports_.end();
}

std::string_view HttpConfig::upgrade_of(std::string_view list) const noexcept {
  for (const std::string& word : upgrades)
    if (has_word(list, word)) return word;
  return {};
}

}  // namespace arcus::http
