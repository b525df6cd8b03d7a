#include "lib/daemon/listen_socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "lib/base/error.h"
#include "lib/daemon/port_holder.h"

namespace arcus::daemon {

[[noreturn]] static void refuse(const Endpoint& where, int error) {
  const std::string what = "cannot listen on " + where.to_string();
  if (error == EADDRINUSE) {
    const auto holder = find_port_holder(where.address.to_string(), where.port);
    throw Error{ErrorKind::conflict, what + ", in use by " + describe(holder.value_or(PortHolder{}))};
  }
  if (error == EACCES || error == EPERM)
    throw Error{ErrorKind::permission, what + ": ports below 1024 need the capability cap_net_bind_service"};
  if (error == EADDRNOTAVAIL) throw Error{ErrorKind::failed, what + ": this host has no such address"};
  throw Error{ErrorKind::failed, what + ": " + errno_text(error)};
}

ListenSocket open_listen_socket(const Endpoint& where, int backlog) {
  ListenSocket out{.fd = UniqueFd{::socket(where.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)},
                   .bound = where};
  if (!out.fd) refuse(where, errno);
  const int on = 1;
  ::setsockopt(out.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Accepted sockets inherit both: no answer waits for the client's acknowledgement of an earlier one, and a
  // client that vanished is found out.
  ::setsockopt(out.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(out.fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  if (!where.address.is_v4()) {
    const int v6_only = where.address.is_any() ? 0 : 1;
    ::setsockopt(out.fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  }
  sockaddr_storage address{};
  socklen_t length = where.to(address);
  if (::bind(out.fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) refuse(where, errno);
  if (::listen(out.fd.get(), backlog) != 0) refuse(where, errno);
  length = sizeof address;
  if (::getsockname(out.fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) refuse(where, errno);
  out.bound = Endpoint::from(address);
  return out;
}

bool keep_listening(const ListenSocket& socket, int backlog) noexcept {
  int listens = 0;
  socklen_t size = sizeof listens;
  if (::getsockopt(socket.fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0)
    return true;
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  return ::listen(socket.fd.get(), backlog) == 0 &&
         ::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0 &&
         Endpoint::from(address) == socket.bound;
}

void set_backlog(const UniqueFd& fd, int backlog) noexcept {
  if (fd) ::listen(fd.get(), backlog);
}

}  // namespace arcus::daemon
