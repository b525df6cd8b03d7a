#include "proxies/http/http.h"

#include <memory>

#include "proxies/http/config.h"
#include "proxies/http/handler.h"

namespace arcus {

static std::shared_ptr<const ProtocolConfig> make_config(const ServerConfig& config) {
  return std::make_shared<const http::HttpConfig>(config);
}

static Reason judge_port(const Options& options, std::string_view method, std::uint16_t port) {
  return http::judge_port(http::ConnectPorts(options), method == "CONNECT", port);
}

static std::unique_ptr<Handler> make_handler(ServerOnThread& server) {
  return std::make_unique<http::HttpHandler>(server);
}

constinit const Protocol http_protocol{
    .type = {.name = "http",
             .title = "HTTP Proxy",
             .summary = "forward HTTP and CONNECT, or balance over backends",
             .default_port = 8080,
             .takes_backends = true,
             .forwards = true,
             .takes_users = true,
             .judge_port = judge_port,
             .options = http::http_option_table},
    .make_config = make_config,
    .make_handler = make_handler,
};

constinit const Protocol https_protocol{
    .type = {.name = "https",
             .title = "HTTPS Proxy",
             .summary = "the same as http, spoken over TLS",
             .default_port = 8443,
             .takes_backends = true,
             .needs_certificate = true,
             .forwards = true,
             .takes_users = true,
             .judge_port = judge_port,
             .options = http::http_option_table},
    .alpn = "http/1.1",
    .make_config = make_config,
    .make_handler = make_handler,
};

}  // namespace arcus
