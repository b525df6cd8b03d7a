#pragma once

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <utility>

namespace bench {

/// Ends the program with what the last system call said.
[[noreturn]] inline void give_up(const char* what) {
  std::perror(what);
  std::exit(1);
}

/// Nanoseconds of the monotonic clock.
inline std::uint64_t now_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

/// A descriptor that closes itself.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

/// 127.0.0.`host` and `port`.
inline sockaddr_in loopback(unsigned host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(0x7f000000U + host);
  return address;
}

inline const sockaddr* raw(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

/// Level-triggered readiness; `what` comes back with the event.
class Poll {
 public:
  Poll() : fd_(::epoll_create1(EPOLL_CLOEXEC)) {
    if (!fd_) give_up("epoll_create1");
  }
  void add(int fd, std::uint32_t events, void* what) { control(EPOLL_CTL_ADD, fd, events, what); }
  void change(int fd, std::uint32_t events, void* what) { control(EPOLL_CTL_MOD, fd, events, what); }

  /// Calls `on_event(what, events)` for each; waits at most `milliseconds`, for ever when negative.
  template <typename F>
  void wait(int milliseconds, F on_event) {
    epoll_event ready[256];
    const int n = ::epoll_wait(fd_.get(), ready, 256, milliseconds);
    for (int i = 0; i < n; ++i) on_event(ready[i].data.ptr, ready[i].events);
  }

 private:
  void control(int action, int fd, std::uint32_t events, void* what) {
    epoll_event event{.events = events, .data = {.ptr = what}};
    if (::epoll_ctl(fd_.get(), action, fd, &event) != 0) give_up("epoll_ctl");
  }

  Fd fd_;
};

/// Answers on 127.0.0.1:`port` until it is killed. GET /bytes/N is answered with N bytes, every other request
/// with 64, a TLS ClientHello with one short record, so that a proxy that routes by server name has something
/// to relay.
[[noreturn]] void run_origin(std::uint16_t port);

}  // namespace bench
