#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>

#include "lib/base/unique_fd.h"
#include "lib/net/deadline.h"
#include "lib/net/poller.h"

namespace arcus {

class DataThread;

/// A listening socket the daemon passed; shared by the threads that accept from it.
class ListeningSocket {
 public:
  explicit ListeningSocket(UniqueFd socket) noexcept : socket_(std::move(socket)) {}

  int fd() const noexcept { return socket_.get(); }
  /// Frees the port for every holder of the descriptor.
  void shut_down() const noexcept;

 private:
  UniqueFd socket_;
};

/// The descriptor that is given up for a moment when there are no others, so that a waiting client can be
/// accepted and reset instead of being left hanging.
class ReserveDescriptor {
 public:
  ReserveDescriptor();
  /// Accepts one client of `listening` and resets it at once. False when that failed too.
  bool turn_away(int listening);

 private:
  std::mutex mutex_;
  UniqueFd spare_;
};

/// One server's accepting on one data thread: up to 16 clients a wake-up, a pause of 100 ms when descriptors
/// or memory run out.
class Listener final : private PollHandler, private DeadlineHandler {
 public:
  static constexpr int accepts_per_wakeup = 16;
  static constexpr std::chrono::milliseconds pause{100};

  Listener(DataThread& thread, std::uint64_t server, std::shared_ptr<ListeningSocket> socket);
  ~Listener();
  /// False when the poller refused the socket.
  bool is_watching() const noexcept { return watching_; }

 private:
  void on_events(std::uint32_t events) override;
  void on_deadline(Deadline& deadline) override;
  void watch() noexcept;
  void back_off(int number);

  DataThread& thread_;
  std::uint64_t server_;
  std::shared_ptr<ListeningSocket> socket_;
  Deadline pause_{*this};
  bool watching_ = false;
};

}  // namespace arcus
