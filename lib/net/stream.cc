#include "lib/net/stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "lib/net/socket.h"

namespace arcus {

Stream::Stream(Poller& poller, UniqueFd socket, StreamHandler* handler, bool connected) noexcept
    : handler_(handler), poller_(&poller), writable_(connected) {
  if (poller.add(socket.get(), *this, Poller::traffic)) fd_ = socket.release();
}

Stream::Stream(Stream&& other) noexcept
    : handler_(std::exchange(other.handler_, nullptr)),
      poller_(other.poller_),
      layer_(std::move(other.layer_)),
      fd_(std::exchange(other.fd_, -1)),
      error_(other.error_),
      readable_(other.readable_),
      writable_(other.writable_),
      hung_up_(other.hung_up_),
      broken_(other.broken_) {
  if (fd_ >= 0) poller_->rebind(fd_, *this);
}

Stream& Stream::operator=(Stream&& other) noexcept {
  if (this == &other) return *this;
  close();
  handler_ = std::exchange(other.handler_, nullptr);
  poller_ = other.poller_;
  layer_ = std::move(other.layer_);
  fd_ = std::exchange(other.fd_, -1);
  error_ = other.error_;
  readable_ = other.readable_;
  writable_ = other.writable_;
  hung_up_ = other.hung_up_;
  broken_ = other.broken_;
  if (fd_ >= 0) poller_->rebind(fd_, *this);
  return *this;
}

void Stream::on_events(std::uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP)) hung_up_ = true;
  if (events & EPOLLERR) broken_ = true;
  if (handler_) handler_->on_ready(*this);
}

IoResult Stream::read_raw(std::span<char> into) noexcept {
  if (!readable_) return {IoStatus::blocked, 0};
  const ssize_t n = socket::receive(fd_, into);
  if (n > 0) {
    const auto bytes = static_cast<std::size_t>(n);
    // A short read has drained the socket; behind a FIN there is still the end to be read.
    if (bytes < into.size() && !hung_up_ && !broken_) readable_ = false;
    return {IoStatus::ok, bytes};
  }
  if (n == 0) {
    readable_ = false;
    hung_up_ = true;
    return {IoStatus::ended, 0};
  }
  if (errno == EAGAIN) {
    readable_ = false;
    return {IoStatus::blocked, 0};
  }
  note_error(errno);
  return {IoStatus::failed, 0};
}

/// To copy a little is cheaper than to have the kernel gather two pieces.
static ssize_t send_both(int fd, std::string_view first, std::string_view second) noexcept {
  char both[1024];
  const std::size_t size = first.size() + second.size();
  if (size > sizeof both) return socket::send(fd, first, second);
  first.copy(both, first.size());
  second.copy(both + first.size(), second.size());
  return socket::send(fd, {both, size});
}

IoResult Stream::write(std::string_view first, std::string_view second) {
  return layer_ ? layer_->write_both(*this, first, second) : write_raw(first, second);
}

IoResult Stream::write_raw(std::string_view first, std::string_view second) noexcept {
  if (!writable_) return {IoStatus::blocked, 0};
  const ssize_t n = second.empty() ? socket::send(fd_, first) : send_both(fd_, first, second);
  if (n >= 0) {
    const auto bytes = static_cast<std::size_t>(n);
    if (bytes < first.size() + second.size()) writable_ = false;
    return {IoStatus::ok, bytes};
  }
  if (errno == EAGAIN) {
    writable_ = false;
    return {IoStatus::blocked, 0};
  }
  note_error(errno);
  return {IoStatus::failed, 0};
}

bool Stream::shutdown_write() {
  if (layer_ && !layer_->shutdown_write(*this)) return false;
  static_cast<void>(::shutdown(fd_, SHUT_WR));
  return true;
}

bool Stream::is_quiet() noexcept {
  if (fd_ < 0 || hung_up_ || broken_) return false;
  if (!readable()) return true;
  std::array<char, 1> byte;
  // TLS has messages of its own (tickets) that make a socket readable.
  if (layer_) return layer_->read(*this, byte).status == IoStatus::blocked;
  if (socket::peek(fd_, byte) >= 0 || errno != EAGAIN) return false;
  readable_ = false;
  return !readable();
}

void Stream::note_error(int number) noexcept {
  error_ = static_cast<std::uint16_t>(number);
  broken_ = true;
}

int Stream::take_socket_error() noexcept {
  int number = 0;
  socklen_t size = sizeof number;
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
  note_error(number);
  return number;
}

void Stream::close() noexcept {
  if (fd_ < 0) return;
  poller_->forget(fd_);
  ::close(std::exchange(fd_, -1));
  layer_.reset();
  readable_ = writable_ = false;
}

void Stream::reset() noexcept {
  if (fd_ < 0) return;
  socket::set_reset_on_close(fd_);
  close();
}

Reason reason_of_errno(int number) noexcept {
  switch (number) {
    case ECONNREFUSED:
      return Reason::connect_refused;
    case ETIMEDOUT:
      return Reason::connect_timeout;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EACCES:
    case EPERM:
    case EINVAL:
    case EAFNOSUPPORT:
      return Reason::unreachable;
    case EMFILE:
    case ENFILE:
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case ENOBUFS:
    case EAGAIN:
    case ENOMEM:
      return Reason::local_resource;
    default:
      return Reason::upstream_closed;
  }
}

}  // namespace arcus
