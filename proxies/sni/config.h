#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "lib/base/address.h"
#include "lib/base/server_type.h"
#include "lib/policy/routes.h"
#include "lib/runtime/server_config.h"
#include "lib/tls/client_hello.h"

namespace arcus {

/// The options of an sni server.
inline constexpr std::array sni_option_table{
    OptionSpec{.key = "max_client_hello",
               .kind = OptionSpec::Kind::size,
               .fallback = "65536",
               .min = 512,
               .max = tls::ClientHelloReader::max_message,
               .help = "a longer ClientHello is refused"},
    OptionSpec{.key = "passthrough_port",
               .kind = OptionSpec::Kind::integer,
               .fallback = "443",
               .min = 1,
               .max = 65'535,
               .help = "port of the named server that passthrough goes to"},
    OptionSpec{.key = "plain_http",
               .kind = OptionSpec::Kind::boolean,
               .fallback = "true",
               .help = "serve plain HTTP on this port too, routed by Host"},
};
static_assert(std::ranges::is_sorted(sni_option_table, {}, &OptionSpec::key));

/// A server's options and routes, ready for use.
class SniConfig final : public ProtocolConfig {
 public:
  /// Throws Error (failed): a route that cannot be read, or nowhere to go at all.
  explicit SniConfig(const ServerConfig& config);

  policy::Routes routes;
  std::size_t max_client_hello;
  std::uint16_t passthrough_port;
  bool plain_http;
};

}  // namespace arcus
