#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/server_type.h"
#include "lib/runtime/server_config.h"
#include "proxies/socks/message.h"

namespace arcus::socks {

inline constexpr std::array<std::string_view, 3> command_list{"bind", "connect", "udp"};
inline constexpr std::array<std::string_view, 3> version_list{"4", "4a", "5"};

/// The options of a socks server.
inline constexpr std::array socks_option_table{
    OptionSpec{.key = "bind_timeout",
               .kind = OptionSpec::Kind::duration_ms,
               .fallback = "2m",
               .min = 1,
               .help = "how long BIND waits for its peer"},
    OptionSpec{.key = "commands",
               .kind = OptionSpec::Kind::list,
               .fallback = "connect",
               .words = command_list,
               .help = "what clients may ask for: connect, bind, udp"},
    OptionSpec{.key = "denied_ports",
               .kind = OptionSpec::Kind::list,
               .fallback = "25",
               .help = "ports nobody may reach; empty = none"},
    OptionSpec{.key = "udp_advertise",
               .fallback = "",
               .help = "address told to UDP clients; empty = the one they dialled"},
    OptionSpec{
        .key = "udp_ports", .fallback = "", .help = "ports for UDP clients, as 40000-40999; empty = any"},
    OptionSpec{.key = "udp_timeout",
               .kind = OptionSpec::Kind::duration_ms,
               .fallback = "60s",
               .min = 1,
               .help = "a UDP association without a datagram ends"},
    OptionSpec{.key = "versions",
               .kind = OptionSpec::Kind::list,
               .fallback = "4,4a,5",
               .words = version_list,
               .help = "versions of the protocol that are served"},
};
static_assert(std::ranges::is_sorted(socks_option_table, {}, &OptionSpec::key));

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;  ///< 0 = any
};

/// The ports nobody may reach.
class DeniedPorts {
 public:
  /// Throws Error (failed) for an option that cannot be read.
  explicit DeniedPorts(const Options& options);
  bool contains(std::uint16_t port) const noexcept;

 private:
  std::vector<std::uint16_t> ports_;
};

/// A server's options, ready for use.
class SocksConfig final : public ProtocolConfig {
 public:
  /// Throws Error (failed) for an option that cannot be read.
  explicit SocksConfig(const ServerConfig& config);

  DeniedPorts denied_ports;
  /// What a SOCKS5 client must offer. SOCKS4, which has no authentication, is served with `none` only.
  Method method = Method::none;
  std::chrono::milliseconds bind_timeout{120'000};
  std::chrono::milliseconds udp_timeout{60'000};
  std::optional<IpAddress> udp_advertise;
  PortRange udp_ports;
  std::optional<IpAddress> egress;

  bool serves(Version version) const noexcept {
    return versions_[static_cast<std::size_t>(version)] && (version == Version::v5 || method == Method::none);
  }
  bool serves(Command command) const noexcept { return commands_[static_cast<std::size_t>(command)]; }

 private:
  std::array<bool, 3> versions_{};
  std::array<bool, 4> commands_{};
};

inline const SocksConfig& config_of(const ServerConfig& config) noexcept {
  return static_cast<const SocksConfig&>(*config.protocol_config);
}

}  // namespace arcus::socks
