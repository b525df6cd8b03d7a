#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/address.h"
#include "lib/net/context.h"
#include "lib/net/linger.h"
#include "lib/net/pipe_pool.h"
#include "lib/net/poller.h"
#include "lib/net/resolver.h"
#include "lib/net/socket.h"
#include "lib/net/stream.h"

namespace arcus::test {

/// What a data thread has, to be turned by hand.
struct Loop {
  Poller poller;
  DeadlineLists deadlines{poller.now()};
  PipePool pipes;
  Resolver resolver{poller, deadlines};
  Lingering lingering{poller, deadlines};
  std::vector<char> scratch = std::vector<char>(scratch_size);
  NetContext net{poller, deadlines, resolver, pipes, lingering, scratch};

  /// Turns until `done`; false after 10 s.
  bool until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      poller.run_once(std::min(deadlines.earliest(), poller.now() + std::chrono::milliseconds(20)));
      deadlines.sweep();
    }
    return true;
  }
  void turn() {
    poller.run_once(SteadyTime{});
    deadlines.sweep();
  }
};

inline Endpoint local(std::uint16_t port) { return {IpAddress::v4(INADDR_LOOPBACK), port}; }

/// A listening socket and its port.
struct Listening {
  UniqueFd fd = socket::listen(local(0), 16);
  std::uint16_t port = socket::local_endpoint(fd.get()).port;
  /// The next client, blocking for 10 s at most.
  UniqueFd accept() {
    for (int i = 0; i < 10'000; ++i) {
      Endpoint peer;
      if (UniqueFd client = socket::accept(fd.get(), peer)) return client;
      ::usleep(1000);
    }
    throw std::runtime_error("no client came");
  }
};

/// Both ends of a TCP connection on loopback, non-blocking.
inline std::pair<UniqueFd, UniqueFd> tcp_pair() {
  Listening listening;
  UniqueFd one = socket::connect(local(listening.port), std::nullopt);
  UniqueFd other = listening.accept();
  return {std::move(one), std::move(other)};
}

/// What is there to read now; "" for nothing yet or the end.
inline std::string read_now(int fd) {
  std::string got;
  std::array<char, 65536> part;
  for (ssize_t n; (n = ::recv(fd, part.data(), part.size(), MSG_DONTWAIT)) > 0;)
    got.append(part.data(), static_cast<std::size_t>(n));
  return got;
}

/// True when the peer's end has been read: 0, or an error other than "nothing yet".
inline bool is_over(int fd) {
  char byte;
  const ssize_t n = ::recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
  return n == 0 || (n < 0 && errno != EAGAIN);
}

struct CountingHandler final : StreamHandler {
  void on_ready(Stream&) override { ++calls; }
  int calls = 0;
};

}  // namespace arcus::test
