#include "proxies/socks/config.h"

#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::socks {

namespace {

struct VersionWord {
  std::string_view word;
  Version version;
};
constexpr std::array version_words{VersionWord{"4", Version::v4}, VersionWord{"4a", Version::v4a},
                                   VersionWord{"5", Version::v5}};

struct CommandWord {
  std::string_view word;
  Command command;
};
constexpr std::array command_words{CommandWord{"bind", Command::bind},
                                   CommandWord{"connect", Command::connect},
                                   CommandWord{"udp", Command::associate}};

[[noreturn]] void refuse(std::string_view key, std::string_view value, std::string_view wanted) {
  throw Error(ErrorKind::failed,
              std::string{key}.append(": '").append(value).append("' is not ").append(wanted));
}

PortRange read_ports(std::string_view text) {
  if (text.empty()) return {};
  const std::size_t dash = text.find('-');
  const auto first = parse_port(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(text.substr(dash + 1));
  if (!first || !last || *last < *first) refuse("udp_ports", text, "a range of ports");
  return {*first, *last};
}

}  // namespace

DeniedPorts::DeniedPorts(const Options& options) {
  for (const std::string& word : options.list("denied_ports")) {
    const auto port = parse_port(word);
    if (!port) refuse("denied_ports", word, "a port");
    ports_.push_back(*port);
  }
}

bool DeniedPorts::contains(std::uint16_t port) const noexcept {
  return std::ranges::find(ports_, port) != ports_.end();
}

SocksConfig::SocksConfig(const ServerConfig& config)
    : denied_ports(config.options),
      method(config.users ? Method::password : Method::none),
      bind_timeout(config.options.integer("bind_timeout")),
      udp_timeout(config.options.integer("udp_timeout")),
      udp_ports(read_ports(config.options.text("udp_ports"))) {
  for (const std::string& word : config.options.list("versions")) {
    const auto* row = std::ranges::find(version_words, word, &VersionWord::word);
    if (row == version_words.end()) refuse("versions", word, "4, 4a or 5");
    versions_[static_cast<std::size_t>(row->version)] = true;
  }
  for (const std::string& word : config.options.list("commands")) {
    const auto* row = std::ranges::find(command_words, word, &CommandWord::word);
    if (row == command_words.end()) refuse("commands", word, "connect, bind or udp");
    commands_[static_cast<std::size_t>(row->command)] = true;
  }
  if (std::ranges::none_of(versions_, [](bool on) { return on; }))
    throw Error(ErrorKind::failed, "versions: a socks server needs at least one");
  if (std::ranges::none_of(commands_, [](bool on) { return on; }))
    throw Error(ErrorKind::failed, "commands: a socks server needs at least one");
  if (!config.backends->empty())
    throw Error(ErrorKind::failed, "a socks server has no backends but parent proxies");
  if (const std::string_view text = config.options.text("udp_advertise"); !text.empty()) {
    udp_advertise = IpAddress::parse(text);
    if (!udp_advertise) refuse("udp_advertise", text, "an address");
  }
  if (!config.tenant->egress_addr.empty()) egress = IpAddress::parse(config.tenant->egress_addr);
}

}  // namespace arcus::socks
