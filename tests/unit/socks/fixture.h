#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"

namespace arcus::test {

/// A worker with one socks server "s" that may reach 127.0.0.0/8 and ::1.
class SocksWorker {
 public:
  explicit SocksWorker(const std::function<void(wire::ServerConfig&)>& change = {});
  SocksWorker(const TestWorker::Setup& setup, const std::function<void(wire::ServerConfig&)>& change);
  std::uint16_t port() const { return port_; }
  TestWorker& worker() { return worker_; }
  const wire::ServerConfig& config() const { return config_; }
  /// The counters once that many connections have ended.
  wire::CounterTotals after(std::uint64_t ended);

 private:
  TestWorker worker_;
  wire::ServerConfig config_;
  std::uint16_t port_ = 0;
};

/// "\5\1\0": a greeting that offers no authentication.
extern const std::string greeting;
/// A SOCKS5 request; `host` is an address or else sent as a name.
std::string request5(std::string_view host, std::uint16_t port, char command = 1);
/// The same, always as a name.
std::string request5_named(std::string_view name, std::uint16_t port);
/// A SOCKS4 request; a name makes it 4a.
std::string request4(std::string_view host, std::uint16_t port, char command = 1);

/// A SOCKS5 reply as read from `client`: its code, 255 when there was none, and the bound address.
struct Reply {
  int code = 255;
  Endpoint bound;
};
Reply read_reply(Client& client);
/// Greeting and request, then the reply.
Reply ask(Client& client, std::string_view request);
/// The code of a SOCKS4 reply (90, 91), -1 when there was none.
int read_reply4(Client& client, Endpoint* bound = nullptr);

}  // namespace arcus::test
