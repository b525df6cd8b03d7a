#include "proxies/sni/handler.h"

#include <utility>

#include "lib/runtime/server_on_thread.h"
#include "proxies/protocols.h"
#include "proxies/sni/session.h"

namespace arcus {

void SniHandler::serve(ClientConnection connection) {
  server_.adopt(std::make_unique<SniSession>(*this, std::move(connection)));
}

void SniHandler::on_config() {
  if (http_) http_->on_config();
}

void SniHandler::hand_over(ClientConnection connection, std::string_view already_read) {
  if (!http_) http_ = find_protocol("http")->make_handler(server_);
  http_->take_over(std::move(connection), already_read);
}

}  // namespace arcus
