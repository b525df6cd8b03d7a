#include "proxies/tcp/tcp.h"

#include <memory>
#include <utility>

#include "lib/base/error.h"
#include "lib/runtime/server_on_thread.h"
#include "proxies/tcp/session.h"

namespace arcus {

namespace {

class TcpHandler final : public Handler {
 public:
  using Handler::Handler;

  void serve(ClientConnection connection) override {
    server_.adopt(std::make_unique<TcpSession>(std::move(connection)));
  }
};

std::unique_ptr<Handler> make_handler(ServerOnThread& server) { return std::make_unique<TcpHandler>(server); }

std::shared_ptr<const ProtocolConfig> check_config(const ServerConfig& config) {
  if (config.backends->empty())
    throw Error{ErrorKind::failed, "a " + config.wire.type + " server needs a backend"};
  if (!config.parents->empty())
    throw Error{ErrorKind::failed, "a " + config.wire.type + " server has no use for parent proxies"};
  return nullptr;
}

}  // namespace

constinit const Protocol tcp_protocol{
    .type = {.name = "tcp",
             .title = "TCP Proxy",
             .summary = "relay bytes to a backend",
             .default_port = 9000,
             .needs_backend = true,
             .takes_backends = true},
    .make_config = check_config,
    .make_handler = make_handler,
};

constinit const Protocol tls_protocol{
    .type = {.name = "tls",
             .title = "TLS Proxy",
             .summary = "end TLS and relay what is inside to a backend",
             .default_port = 9443,
             .needs_backend = true,
             .takes_backends = true,
             .needs_certificate = true},
    .make_config = check_config,
    .make_handler = make_handler,
};

}  // namespace arcus
