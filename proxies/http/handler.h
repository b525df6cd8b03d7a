#pragma once

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "lib/http/head.h"
#include "lib/net/deadline.h"
#include "lib/runtime/protocol.h"
#include "lib/runtime/server_on_thread.h"
#include "proxies/http/body.h"
#include "proxies/http/exchange.h"

namespace arcus::http {

/// What every session of a thread uses while it works, and none keeps: heads as parsed, heads and re-coded
/// bodies to be sent.
struct Workspace {
  RequestHead request;
  ResponseHead response;
  std::array<char, 2 * max_head_size + 2 * BodyCoder::slack> out;
};

/// The calling thread's.
Workspace& workspace();

/// One http server on one data thread.
class HttpHandler final : public Handler {
 public:
  explicit HttpHandler(ServerOnThread& server);

  void serve(ClientConnection connection) override;
  void take_over(ClientConnection connection, std::string_view already_read) override;
  void refuse(ClientConnection connection, Reason reason) override;
  void probe(Stream stream) override;
  void on_config() override;

  /// The deadline lists of the newest snapshot.
  struct Timers {
    DeadlineList* header = nullptr;
    DeadlineList* keepalive = nullptr;
    DeadlineList* response = nullptr;
    DeadlineList* body = nullptr;
  };
  const Timers& timers() const noexcept { return timers_; }

  /// An empty exchange; give it back when its record is written.
  std::unique_ptr<Exchange> take_exchange();
  void give_exchange(std::unique_ptr<Exchange> exchange) noexcept;

 private:
  Timers timers_;
  std::vector<std::unique_ptr<Exchange>> spare_;
};

}  // namespace arcus::http
