#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <memory>
#include <vector>

namespace arcus::daemon {

/// While a worker stays away for long, resets whoever connects to its listening sockets, so that clients go
/// elsewhere instead of waiting in the accept queue. Ends with the object.
class Refuser {
 public:
  explicit Refuser(asio::io_context& io) : io_{io} {}
  ~Refuser();
  Refuser(const Refuser&) = delete;
  Refuser& operator=(const Refuser&) = delete;

  /// Also takes the connections that wait already. `listening` stays the caller's.
  void watch(int listening);

 private:
  using Socket = std::shared_ptr<asio::posix::stream_descriptor>;
  static void wait(const Socket& socket);

  asio::io_context& io_;
  std::vector<Socket> sockets_;
};

}  // namespace arcus::daemon
