#include "lib/net/datagram.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "lib/net/socket.h"

namespace arcus {

/// For sockaddr_storage where the system wants sockaddr: the one cast the socket interface demands.
static sockaddr* generic(sockaddr_storage& storage) noexcept { return reinterpret_cast<sockaddr*>(&storage); }

/// Errors and datagrams too large that one call of receive() passes over.
static constexpr int max_tries = 16;

static UniqueFd make_socket(int family) noexcept {
  return UniqueFd{::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

bool DatagramSocket::open(const Endpoint& local) noexcept {
  close();
  UniqueFd fd = make_socket(local.family());
  if (!fd) return false;
  const int yes = 1;
  if (local.family() == AF_INET6)
    static_cast<void>(::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes));
  sockaddr_storage storage;
  const socklen_t size = local.to(storage);
  if (::bind(fd.get(), generic(storage), size) != 0) {
    const int number = errno;
    fd.reset();
    errno = number;
    return false;
  }
  if (!poller_.add(fd.get(), *this, EPOLLIN)) return false;
  fd_ = std::move(fd);
  return true;
}

void DatagramSocket::close() noexcept {
  if (!fd_) return;
  poller_.forget(fd_.get());
  fd_.reset();
}

Endpoint DatagramSocket::local() const noexcept { return socket::local_endpoint(fd_.get()); }

std::optional<std::string_view> DatagramSocket::receive(std::span<char> into, Endpoint& from) noexcept {
  for (int tries = 0; fd_ && tries < max_tries; ++tries) {
    sockaddr_storage storage;
    socklen_t size = sizeof storage;
    const ssize_t n = ::recvfrom(fd_.get(), into.data(), into.size(), MSG_TRUNC, generic(storage), &size);
    if (n < 0 && errno != EAGAIN) continue;  // an error that was waiting is gone now
    if (n < 0) break;
    const auto bytes = static_cast<std::size_t>(n);
    if (bytes > into.size()) continue;
    from = Endpoint::from(storage);
    from.address = from.address.unmapped();
    return std::string_view{into.data(), bytes};
  }
  return std::nullopt;
}

bool DatagramSocket::send(std::string_view bytes, const Endpoint& to) noexcept {
  sockaddr_storage storage;
  const socklen_t size = to.to(storage);
  const ssize_t n = ::sendto(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL, generic(storage), size);
  return n == static_cast<ssize_t>(bytes.size());
}

void DatagramSocket::on_events(std::uint32_t) { handler_.on_datagrams(*this); }

std::optional<IpAddress> local_address_toward(const IpAddress& peer) noexcept {
  const Endpoint anywhere{peer, 9};
  const UniqueFd fd = make_socket(anywhere.family());
  sockaddr_storage storage;
  const socklen_t size = anywhere.to(storage);
  // Connecting a UDP socket sends nothing; it chooses a route.
  if (!fd || ::connect(fd.get(), generic(storage), size) != 0) return std::nullopt;
  return socket::local_endpoint(fd.get()).address;
}

}  // namespace arcus
