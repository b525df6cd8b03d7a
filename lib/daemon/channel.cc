#include "lib/daemon/channel.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <asio/post.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include "lib/base/error.h"

namespace arcus::daemon {

/// A worker is not trusted: its frames are small, and others get their turn between them.
static constexpr std::size_t most_incoming = 1 << 20;
static constexpr int frames_at_once = 64;
/// So many unread frames mean that the peer does not read.
static constexpr std::size_t most_queued = 10'000;

/// Outlives the Channel while an asynchronous wait is pending; `ended` makes those waits do nothing.
struct Channel::Shared : std::enable_shared_from_this<Channel::Shared> {
  Shared(asio::io_context& context, UniqueFd socket, Handlers h)
      : io{context}, channel{std::move(socket), most_incoming}, waiter{context}, handlers{std::move(h)} {
    const int copy = ::fcntl(channel.fd(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0) throw system_error("cannot watch a channel", errno);
    waiter.assign(copy);
  }

  void wait_for_frames() {
    waiter.async_wait(asio::posix::stream_descriptor::wait_read,
                      [self = shared_from_this()](const asio::error_code& error) {
                        if (!error) self->read();
                      });
  }

  void wait_for_room() {
    if (is_writing || ended) return;
    is_writing = true;
    waiter.async_wait(asio::posix::stream_descriptor::wait_write,
                      [self = shared_from_this()](const asio::error_code& error) {
                        self->is_writing = false;
                        if (!error) self->write();
                      });
  }

  void read() {
    try {
      for (int count = 0; !ended; ++count) {
        if (count == frames_at_once) return asio::post(io, [self = shared_from_this()] { self->read(); });
        auto frame = channel.receive();
        if (!frame) break;
        if (!frame->descriptors.empty()) refuse(frame->descriptors);
        handlers.on_frame(std::move(*frame));
      }
      if (!ended && channel.closed()) return end({});
    } catch (const Error& error) {
      return end(error.what());
    }
    if (!ended) wait_for_frames();
  }

  void write() {
    try {
      if (!ended) channel.flush();
    } catch (const Error&) {
      return;  // the reading side says that the peer is gone
    }
    if (channel.wants_write()) wait_for_room();
  }

  /// Nothing that a worker could hand us is wanted. Its last descriptor must not make us wait in close().
  [[noreturn]] static void refuse(const std::vector<UniqueFd>& descriptors) {
    const linger none{1, 0};
    for (const UniqueFd& fd : descriptors) ::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
    throw Error(ErrorKind::failed, "channel: an unasked descriptor");
  }

  void end(std::string_view error) {
    if (ended) return;
    ended = true;
    asio::error_code ignored;
    waiter.cancel(ignored);
    const auto on_end = std::move(handlers.on_end);
    if (on_end) on_end(error);
  }

  asio::io_context& io;
  wire::FrameChannel channel;
  asio::posix::stream_descriptor waiter;
  Handlers handlers;
  bool is_writing = false;
  bool ended = false;
};

Channel::Channel(asio::io_context& io, UniqueFd socket, Handlers handlers)
    : shared_{std::make_shared<Shared>(io, std::move(socket), std::move(handlers))} {
  shared_->wait_for_frames();
}

Channel::~Channel() {
  shared_->ended = true;
  asio::error_code ignored;
  shared_->waiter.close(ignored);
}

void Channel::send(wire::FrameType type, std::string_view body, int descriptor) {
  if (shared_->ended) return;
  if (body.size() > wire::FrameChannel::max_body) throw Error(ErrorKind::failed, "a frame would be too long");
  if (shared_->channel.queued() > most_queued)
    return asio::post(shared_->io, [shared = shared_] { shared->end("it does not read its frames"); });
  try {
    shared_->channel.send(type, body, descriptor);
  } catch (const Error&) {
    return;  // the reading side says that the peer is gone
  }
  if (shared_->channel.wants_write()) shared_->wait_for_room();
}

}  // namespace arcus::daemon
