#include "tests/unit/runtime/peers.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <stdexcept>
#include <utility>

#include "lib/base/address.h"
#include "lib/net/socket.h"

namespace arcus::test {

static sockaddr* generic(sockaddr_storage& storage) { return reinterpret_cast<sockaddr*>(&storage); }

static Endpoint local(std::uint16_t port) { return {IpAddress::v4(INADDR_LOOPBACK), port}; }

static void give_up_after_10s(int fd) {
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

Client::Client(std::uint16_t port, std::uint16_t source_port)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  give_up_after_10s(fd_.get());
  sockaddr_storage storage;
  if (source_port != 0) {
    const int yes = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    const socklen_t size = local(source_port).to(storage);
    if (::bind(fd_.get(), generic(storage), size) != 0) throw std::runtime_error("bind");
  }
  const socklen_t size = local(port).to(storage);
  if (::connect(fd_.get(), generic(storage), size) != 0) throw std::runtime_error("connect");
}

void Client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) throw std::runtime_error("send");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::string Client::receive(std::size_t size) {
  std::string got;
  std::array<char, 65536> part;
  while (got.size() < size) {
    const ssize_t n = ::recv(fd_.get(), part.data(), std::min(part.size(), size - got.size()), 0);
    if (n < 0 && errno == ECONNRESET) reset_ = true;
    if (n < 0 && errno == EAGAIN) throw std::runtime_error("nothing came within 10 s");
    if (n <= 0) break;
    got.append(part.data(), static_cast<std::size_t>(n));
  }
  return got;
}

std::string Client::receive_all() { return receive(SIZE_MAX); }

void Client::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fd_.reset();
}

bool Client::quiet_for(std::chrono::milliseconds time) const {
  pollfd one{.fd = fd_.get(), .events = POLLIN, .revents = 0};
  return ::poll(&one, 1, static_cast<int>(time.count())) == 0;
}

void Client::shutdown_write() { ::shutdown(fd_.get(), SHUT_WR); }

std::uint16_t Client::local_port() const { return socket::local_endpoint(fd_.get()).port; }

UniqueFd listen_anywhere(std::uint16_t& port) {
  UniqueFd fd = socket::listen(local(0), 64);
  if (!fd) throw std::runtime_error("listen");
  port = socket::local_endpoint(fd.get()).port;
  return fd;
}

std::uint16_t refusing_port() {
  static std::vector<UniqueFd>
      kept;  // bound, never listening: a port given back would be another test's listener
  sockaddr_storage storage;
  const socklen_t size = local(0).to(storage);
  UniqueFd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (::bind(fd.get(), generic(storage), size) != 0) throw std::runtime_error("bind");
  return socket::local_endpoint(kept.emplace_back(std::move(fd)).get()).port;
}

Server::Server(Serve serve) : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_storage storage;
  const socklen_t size = local(0).to(storage);
  if (::bind(listening_.get(), generic(storage), size) != 0 || ::listen(listening_.get(), 512) != 0)
    throw std::runtime_error("listen");
  port_ = socket::local_endpoint(listening_.get()).port;
  acceptor_ = std::jthread([this, serve = std::move(serve)] {
    std::vector<std::jthread> clients;
    while (true) {
      const int fd = ::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      ++accepted_;
      give_up_after_10s(fd);
      clients.emplace_back([fd, &serve] {
        const UniqueFd owned{fd};
        serve(fd);
      });
    }
  });
}

Server::~Server() { ::shutdown(listening_.get(), SHUT_RDWR); }

Server::Serve echo(std::string greeting) {
  return [greeting = std::move(greeting)](int fd) {
    std::array<char, 65536> part;
    if (!greeting.empty() && ::send(fd, greeting.data(), greeting.size(), MSG_NOSIGNAL) < 0) return;
    while (true) {
      const ssize_t n = ::recv(fd, part.data(), part.size(), 0);
      if (n <= 0) return;
      for (ssize_t sent = 0; sent < n;) {
        const ssize_t m = ::send(fd, part.data() + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
        if (m <= 0) return;
        sent += m;
      }
    }
  };
}

}  // namespace arcus::test
