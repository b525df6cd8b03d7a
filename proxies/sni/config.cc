#include "proxies/sni/config.h"

#include "lib/base/error.h"
#include "proxies/protocols.h"

namespace arcus {

/// What the http protocol makes of the same server: its backends and routes, its own options by default.
static std::shared_ptr<const ProtocolConfig> http_config(const ServerConfig& config) {
  const Protocol* http = find_protocol("http");
  ServerConfig same = config;
  same.protocol = http;
  same.options = Options(http->type.options, {});
  return http->make_config(same);
}

SniConfig::SniConfig(const ServerConfig& config)
    : max_client_hello(static_cast<std::size_t>(config.options.integer("max_client_hello"))),
      passthrough_port(static_cast<std::uint16_t>(config.options.integer("passthrough_port"))),
      plain_http(config.options.boolean("plain_http")) {
  for (const wire::RouteConfig& route : config.wire.routes) routes.add(route.pattern, route.target);
  if (routes.empty()) {
    if (config.backends->empty()) throw Error{ErrorKind::failed, "an sni server needs a route or a backend"};
    routes.add("*", "backends");
  }
  // Also without plain_http: clients from before that are still there, and take the newest snapshot.
  handed_over = http_config(config);
}

}  // namespace arcus
