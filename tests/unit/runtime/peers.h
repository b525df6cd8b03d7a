#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "lib/base/unique_fd.h"

namespace arcus::test {

/// A blocking client socket; every wait gives up after 10 s.
class Client {
 public:
  explicit Client(std::uint16_t port, std::uint16_t source_port = 0);

  void send(std::string_view bytes);
  /// Exactly `size` bytes, fewer when the peer closed.
  std::string receive(std::size_t size);
  /// Everything up to the peer's end; `was_reset` tells how it ended.
  std::string receive_all();
  bool was_reset() const { return reset_; }
  void shutdown_write();
  void close() { fd_.reset(); }
  /// RST.
  void reset();
  /// Nothing came, not even an end.
  bool quiet_for(std::chrono::milliseconds time) const;
  std::uint16_t local_port() const;

 private:
  UniqueFd fd_;
  bool reset_ = false;
};

/// A server on 127.0.0.1 with a thread for each client.
class Server {
 public:
  using Serve = std::function<void(int fd)>;
  explicit Server(Serve serve);
  ~Server();
  std::uint16_t port() const { return port_; }
  int accepted() const { return accepted_.load(); }

 private:
  UniqueFd listening_;
  std::uint16_t port_ = 0;
  std::atomic<int> accepted_{0};
  std::jthread acceptor_;
};

/// Sends back what it gets, prefixed by `greeting`; ends when the client does.
Server::Serve echo(std::string greeting = {});

/// A listening socket on 127.0.0.1, any free port.
UniqueFd listen_anywhere(std::uint16_t& port);
/// A port that refuses connections for as long as the process lives.
std::uint16_t refusing_port();

}  // namespace arcus::test
