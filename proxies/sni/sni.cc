#include "proxies/sni/sni.h"

#include <memory>

#include "proxies/sni/config.h"
#include "proxies/sni/handler.h"

namespace arcus {

static std::shared_ptr<const ProtocolConfig> make_config(const ServerConfig& config) {
  return std::make_shared<const SniConfig>(config);
}

static std::unique_ptr<Handler> make_handler(ServerOnThread& server) {
  return std::make_unique<SniHandler>(server);
}

constinit const Protocol sni_protocol{
    .type = {.name = "sni",
             .title = "SNI Proxy",
             .summary = "route TLS by server name without decrypting it",
             .default_port = 4443,
             .takes_backends = true,
             .takes_routes = true,
             .options = sni_option_table},
    .make_config = make_config,
    .make_handler = make_handler,
};

}  // namespace arcus
