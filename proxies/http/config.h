#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/server_type.h"
#include "lib/http/write.h"
#include "lib/policy/routes.h"
#include "lib/runtime/server_config.h"

namespace arcus::http {

inline constexpr std::array<std::string_view, 5> forwarded_words{"append", "auto", "keep", "remove",
                                                                 "replace"};

/// The options of an http server.
inline constexpr std::array http_option_table{
    OptionSpec{.key = "connect_ports",
               .kind = OptionSpec::Kind::list,
               .fallback = "443,8443",
               .help = "ports CONNECT may reach, or * for any"},
    OptionSpec{.key = "forwarded_for",
               .fallback = "auto",
               .words = forwarded_words,
               .help = "X-Forwarded-For; auto: remove as forward proxy, replace as reverse proxy"},
    OptionSpec{.key = "pool_idle_per_host",
               .kind = OptionSpec::Kind::integer,
               .fallback = "64",
               .min = 0,
               .max = 4'096,
               .help = "idle upstream connections kept for one destination; 0 = none"},
    OptionSpec{.key = "upgrade",
               .kind = OptionSpec::Kind::list,
               .fallback = "websocket",
               .help = "protocols a client may switch to; empty = none"},
    OptionSpec{.key = "via",
               .kind = OptionSpec::Kind::boolean,
               .fallback = "true",
               .help = "add Via and refuse requests that came from this proxy"},
};
static_assert(std::ranges::is_sorted(http_option_table, {}, &OptionSpec::key));

/// The ports CONNECT may reach.
class ConnectPorts {
 public:
  /// Throws Error (failed) for an option that cannot be read.
  explicit ConnectPorts(const Options& options);
  bool contains(std::uint16_t port) const noexcept;

 private:
  std::vector<std::uint16_t> ports_;
  bool any_ = false;
};

/// ok, or destination_denied for a port that no client may ask for.
Reason judge_port(const ConnectPorts& connect, bool is_connect, std::uint16_t port) noexcept;

/// A server's options, ready for use.
class HttpConfig final : public ProtocolConfig {
 public:
  /// Throws Error (failed): an option or a route that cannot be read.
  explicit HttpConfig(const ServerConfig& config);

  /// A load balancer: requests go to the backends, or where the table of names says, never elsewhere.
  bool reverse = false;
  policy::Routes routes;  ///< by Host; empty = all go to the backends
  ConnectPorts connect_ports;
  ForwardedFor forwarded_for = ForwardedFor::remove;
  std::string via;                    ///< our token; empty = no Via
  std::vector<std::string> upgrades;  ///< lower case
  std::size_t pool_idle_per_host = 64;
  std::vector<std::optional<IpAddress>> backend_literals;  ///< by index in the set; no value = a name

  /// The word of `list` (an Upgrade field) that may be switched to; empty when none may.
  std::string_view upgrade_of(std::string_view list) const noexcept;
};

}  // namespace arcus::http
