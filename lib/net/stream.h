#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "lib/base/reason.h"
#include "lib/base/unique_fd.h"
#include "lib/net/poller.h"

namespace arcus {

class Stream;

/// Owner of one or more streams. Called after readiness flags changed; look at the flags, not at the cause.
/// Edge-triggered: read until !readable(), write until !writable(), or remember to come back.
class StreamHandler {
 public:
  virtual void on_ready(Stream& stream) = 0;

 protected:
  ~StreamHandler() = default;
};

enum class IoStatus : std::uint8_t {
  ok,       ///< bytes > 0 were moved
  blocked,  ///< nothing now; on_ready comes
  ended,    ///< reading only: the peer has finished sending
  failed,   ///< the connection is broken: see Stream::error()
};

struct IoResult {
  IoStatus status = IoStatus::blocked;
  std::size_t bytes = 0;
};

/// What stands between a stream and its socket: TLS. Works on the raw calls of the stream it was given to.
/// A layer may hold bytes it could not write: it then reports fewer than it was given, and the next write
/// must begin with the bytes that were not taken.
class StreamLayer {
 public:
  virtual ~StreamLayer() = default;
  virtual IoResult read(Stream& stream, std::span<char> into) = 0;
  virtual IoResult write(Stream& stream, std::string_view from) = 0;
  /// Both parts as one; `bytes` counts over both.
  virtual IoResult write_both(Stream& stream, std::string_view first, std::string_view second) = 0;
  /// Ends our direction (close_notify); false while that is still to be written.
  virtual bool shutdown_write(Stream& stream) = 0;
  /// True when read() can give bytes without the socket being readable.
  virtual bool has_pending() const noexcept = 0;
  /// Who the other side has proved to be, by the rules that `context` stands for; empty = nobody.
  virtual std::string peer_name(std::string_view /*context*/) const { return {}; }
};

/// A connected (or connecting) TCP socket on a thread's poller: non-blocking, registered once for both
/// directions, with the readiness remembered. Movable: events follow it. Destroying it closes the socket
/// (FIN).
class Stream final : private PollHandler {
 public:
  Stream() noexcept = default;
  /// Takes a non-blocking socket and registers it; writable() at once when `connected`. Not valid() (errno
  /// set) when the kernel refuses.
  Stream(Poller& poller, UniqueFd socket, StreamHandler* handler = nullptr, bool connected = true) noexcept;
  Stream(Stream&& other) noexcept;
  Stream& operator=(Stream&& other) noexcept;
  ~Stream() { close(); }

  bool valid() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  /// Who hears of readiness from now on; nullptr = nobody, the flags are still kept.
  void set_handler(StreamHandler* handler) noexcept { handler_ = handler; }
  /// Puts TLS between; bytes are plaintext from now on.
  void set_layer(std::unique_ptr<StreamLayer> layer) noexcept { layer_ = std::move(layer); }
  StreamLayer* layer() const noexcept { return layer_.get(); }
  /// Of the layer; empty without one.
  std::string peer_name(std::string_view context) const {
    return layer_ ? layer_->peer_name(context) : std::string();
  }

  /// True when a read may give something other than `blocked`.
  bool readable() const noexcept { return readable_ || (layer_ && layer_->has_pending()); }
  bool writable() const noexcept { return writable_; }
  /// The peer has sent FIN or RST, perhaps behind bytes not yet read.
  bool hung_up() const noexcept { return hung_up_; }
  /// An event told of an error on the socket.
  bool broken() const noexcept { return broken_; }
  /// errno of the last failure.
  int error() const noexcept { return error_; }

  IoResult read(std::span<char> into) { return layer_ ? layer_->read(*this, into) : read_raw(into); }
  IoResult write(std::string_view from) { return layer_ ? layer_->write(*this, from) : write_raw(from); }
  /// Both parts in one send; `bytes` counts over both.
  IoResult write(std::string_view first, std::string_view second);
  /// Sends FIN (after TLS' close_notify). False when close_notify still waits for the socket: call again on
  /// on_ready.
  bool shutdown_write();

  /// Past the layer, for the layer itself.
  IoResult read_raw(std::span<char> into) noexcept;
  IoResult write_raw(std::string_view first, std::string_view second = {}) noexcept;

  /// True when nothing unread, no FIN and no error is known or found by a look: an idle keep-alive connection
  /// that may be used. Costs a system call only when the flags leave a doubt.
  bool is_quiet() noexcept;
  /// Marks the flags by hand, for code that moves bytes itself (splice).
  void note_read_blocked() noexcept { readable_ = false; }
  void note_write_blocked() noexcept { writable_ = false; }
  void note_error(int number) noexcept;
  /// Asks the socket for SO_ERROR and remembers it.
  int take_socket_error() noexcept;

  void close() noexcept;  ///< FIN when everything was read, as close(2)
  void reset() noexcept;  ///< RST

 private:
  void on_events(std::uint32_t events) override;

  StreamHandler* handler_ = nullptr;
  Poller* poller_ = nullptr;
  std::unique_ptr<StreamLayer> layer_;
  int fd_ = -1;
  std::uint16_t error_ = 0;
  bool readable_ : 1 = false;
  bool writable_ : 1 = false;
  bool hung_up_ : 1 = false;
  bool broken_ : 1 = false;
};

/// The reason for a failed connect or transfer with errno `number`: connect_refused, connect_timeout,
/// unreachable, local_resource; upstream_closed for the rest.
Reason reason_of_errno(int number) noexcept;

}  // namespace arcus
