#include "lib/net/socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>

namespace arcus::socket {

/// For sockaddr_storage where the system wants sockaddr: the one cast the socket interface demands.
static sockaddr* generic(sockaddr_storage& storage) noexcept { return reinterpret_cast<sockaddr*>(&storage); }

static void set_option(int fd, int level, int name, int value) noexcept {
  static_cast<void>(::setsockopt(fd, level, name, &value, sizeof value));
}

ssize_t receive(int fd, std::span<char> into) noexcept {
  ssize_t n;
  do n = ::recv(fd, into.data(), into.size(), 0);
  while (n < 0 && errno == EINTR);
  return n;
}

ssize_t peek(int fd, std::span<char> into) noexcept {
  return ::recv(fd, into.data(), into.size(), MSG_PEEK | MSG_DONTWAIT);
}

ssize_t send(int fd, std::string_view from) noexcept {
  ssize_t n;
  do n = ::send(fd, from.data(), from.size(), MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n;
}

ssize_t send(int fd, std::string_view first, std::string_view second) noexcept {
  std::array<iovec, 2> parts{iovec{const_cast<char*>(first.data()), first.size()},
                             iovec{const_cast<char*>(second.data()), second.size()}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  ssize_t n;
  do n = ::sendmsg(fd, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  return n;
}

ssize_t splice(int from, int to, std::size_t size) noexcept {
  ssize_t n;
  do n = ::splice(from, nullptr, to, nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  while (n < 0 && errno == EINTR);
  return n;
}

UniqueFd connect(const Endpoint& to, const std::optional<IpAddress>& source) noexcept {
  UniqueFd fd{::socket(to.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return fd;
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  sockaddr_storage storage;
  if (source && source->is_v4() == to.address.is_v4()) {
    set_option(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    const socklen_t size = Endpoint{*source, 0}.to(storage);
    if (::bind(fd.get(), generic(storage), size) != 0) return UniqueFd{};
  }
  const socklen_t size = to.to(storage);
  if (::connect(fd.get(), generic(storage), size) != 0 && errno != EINPROGRESS) {
    const int number = errno;
    fd.reset();
    errno = number;
  }
  return fd;
}

UniqueFd listen(const Endpoint& at, int backlog) noexcept {
  UniqueFd fd{::socket(at.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd) return fd;
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  sockaddr_storage storage;
  const socklen_t size = at.to(storage);
  if (::bind(fd.get(), generic(storage), size) != 0 || ::listen(fd.get(), backlog) != 0) {
    const int number = errno;
    fd.reset();
    errno = number;
  }
  return fd;
}

UniqueFd accept(int fd, Endpoint& peer) noexcept {
  sockaddr_storage storage;
  socklen_t size = sizeof storage;
  UniqueFd client{::accept4(fd, generic(storage), &size, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (client) {
    peer = Endpoint::from(storage);
    peer.address = peer.address.unmapped();
  }
  return client;
}

Endpoint local_endpoint(int fd) noexcept {
  sockaddr_storage storage;
  socklen_t size = sizeof storage;
  if (::getsockname(fd, generic(storage), &size) != 0) return {};
  Endpoint local = Endpoint::from(storage);
  local.address = local.address.unmapped();
  return local;
}

std::uint32_t round_trip_us(int fd) noexcept {
  tcp_info facts{};
  socklen_t size = sizeof facts;
  return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &facts, &size) == 0 ? facts.tcpi_rtt : 0;
}

void set_reset_on_close(int fd) noexcept {
  const linger now{1, 0};
  static_cast<void>(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now));
}

}  // namespace arcus::socket
