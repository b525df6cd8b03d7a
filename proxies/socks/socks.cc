#include "proxies/socks/socks.h"

#include <memory>
#include <utility>

#include "lib/runtime/server_on_thread.h"
#include "proxies/socks/config.h"
#include "proxies/socks/session.h"

namespace arcus {

namespace {

class SocksHandler final : public Handler {
 public:
  using Handler::Handler;

  void serve(ClientConnection connection) override {
    server_.adopt(std::make_unique<socks::SocksSession>(std::move(connection)));
  }
};

Reason judge_port(const Options& options, std::string_view, std::uint16_t port) {
  return socks::DeniedPorts(options).contains(port) ? Reason::destination_denied : Reason::ok;
}

std::unique_ptr<Handler> make_handler(ServerOnThread& server) {
  return std::make_unique<SocksHandler>(server);
}

std::shared_ptr<const ProtocolConfig> make_config(const ServerConfig& config) {
  config.limits->tenant->associations.set_limit(socks::Association::max_per_tenant);
  return std::make_shared<const socks::SocksConfig>(config);
}

}  // namespace

constinit const Protocol socks_protocol{
    .type = {.name = "socks",
             .title = "SOCKS Proxy",
             .summary = "connect clients by SOCKS4, SOCKS4a and SOCKS5",
             .default_port = 1080,
             .takes_backends = true,
             .forwards = true,
             .takes_users = true,
             .judge_port = judge_port,
             .options = socks::socks_option_table},
    .make_config = make_config,
    .make_handler = make_handler,
};

}  // namespace arcus
