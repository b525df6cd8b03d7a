#include "lib/daemon/refuser.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

#include "lib/base/unique_fd.h"

namespace arcus::daemon {

Refuser::~Refuser() {
  asio::error_code ignored;
  for (const Socket& socket : sockets_) socket->close(ignored);
}

void Refuser::watch(int listening) {
  const int copy = ::fcntl(listening, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) return;  // out of descriptors: clients wait instead
  sockets_.push_back(std::make_shared<asio::posix::stream_descriptor>(io_, copy));
  wait(sockets_.back());
}

/// Accepts what is there and resets it; false when the socket is no listener any more.
static bool reset_waiting(int listening) {
  for (;;) {
    const UniqueFd client{::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC)};
    if (!client) return errno == EAGAIN || errno == ECONNABORTED || errno == EINTR;
    const linger at_once{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
}

void Refuser::wait(const Socket& socket) {
  socket->async_wait(asio::posix::stream_descriptor::wait_read, [socket](const asio::error_code& error) {
    if (!error && socket->is_open() && reset_waiting(socket->native_handle())) wait(socket);
  });
}

}  // namespace arcus::daemon
