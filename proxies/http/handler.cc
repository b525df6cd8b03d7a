#include "proxies/http/handler.h"

#include <span>
#include <string>
#include <utility>

#include "lib/http/write.h"
#include "lib/runtime/thread.h"
#include "proxies/http/date.h"
#include "proxies/http/session.h"

namespace arcus::http {

/// So many refused clients may wait for their answer to get through; the others get RST.
static constexpr std::size_t max_refusals = 64;
static constexpr std::size_t max_spare = 64;

Workspace& workspace() {
  static thread_local const auto space = std::make_unique<Workspace>();
  return *space;
}

HttpHandler::HttpHandler(ServerOnThread& server) : Handler(server) { on_config(); }

void HttpHandler::on_config() {
  const ServerConfig& config = *server_.config();
  DeadlineLists& lists = server_.thread().deadlines();
  timers_ = {.header = &lists.of(config.header_timeout()),
             .keepalive = &lists.of(config.keepalive_timeout()),
             .response = &lists.of(config.response_timeout()),
             .body = &lists.of(config.body_timeout())};
}

void HttpHandler::serve(ClientConnection connection) {
  server_.adopt(std::make_unique<HttpSession>(*this, std::move(connection)));
}

void HttpHandler::take_over(ClientConnection connection, std::string_view already_read) {
  connection.count_in(already_read.size());
  server_.adopt(std::make_unique<HttpSession>(*this, std::move(connection), already_read));
}

void HttpHandler::refuse(ClientConnection connection, Reason reason) {
  if (server_.thread().net().lingering.size() >= max_refusals) return connection.reset();
  static constexpr OwnField retry[] = {{"Retry-After", "1"}};
  const std::string date = http_date();
  const std::uint16_t status = status_of(reason);
  std::array<char, 2048> out;
  const std::size_t size =
      write_error({.status = status,
                   .reason = reason,
                   .proxy = server_.config()->facts->instance(),
                   .date = date,
                   .fields = status == 503 ? std::span<const OwnField>{retry} : std::span<const OwnField>{}},
                  out);
  connection.count_out(size);
  std::move(connection).close_politely({out.data(), size});
}

void HttpHandler::probe(Stream stream) {
  server_.thread().net().lingering.add(std::move(stream),
                                       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

std::unique_ptr<Exchange> HttpHandler::take_exchange() {
  if (spare_.empty()) return std::make_unique<Exchange>();
  auto exchange = std::move(spare_.back());
  spare_.pop_back();
  return exchange;
}

void HttpHandler::give_exchange(std::unique_ptr<Exchange> exchange) noexcept {
  exchange->reset(server_.thread().net());
  if (spare_.size() < max_spare) spare_.push_back(std::move(exchange));
}

}  // namespace arcus::http
