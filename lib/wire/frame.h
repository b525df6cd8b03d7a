#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/base/unique_fd.h"

namespace arcus::wire {

/// What a frame says. Values are on the wire: append only.
enum class FrameType : std::uint16_t {
  hello = 1,        ///< daemon: Hello, first frame
  ready = 2,        ///< worker: Ready
  config = 3,       ///< daemon: WorkerConfig
  listen = 4,       ///< daemon: ListenFrame + the listening socket
  unlisten = 5,     ///< daemon: ListenFrame
  drain = 6,        ///< daemon: DrainFrame
  probe = 7,        ///< daemon: ProbeFrame
  ack = 8,          ///< worker: Ack
  event = 9,        ///< worker: Event
  resolver = 10,    ///< daemon: ResolverConfig
  counters = 11,    ///< daemon: CountersFrame + the file
  access_log = 12,  ///< daemon: AccessLogFrame + the file
  status = 13,      ///< daemon: empty; worker: WorkerStatus
  log_level = 14,   ///< daemon: the filter as plain text
  own_ports = 15,   ///< daemon: OwnPortsFrame
  check = 16,       ///< daemon: CheckFrame
};

struct Frame {
  FrameType type{};
  std::string body;
  std::vector<UniqueFd> descriptors;
};

/// Frames over one end of a non-blocking SOCK_STREAM socketpair: header u32 length, u16 type, u16 descriptors
/// (host order), body, and at most one descriptor per frame (SCM_RIGHTS, close-on-exec). A peer is not
/// trusted: a length over max_body, a type out of range or a wrong number of descriptors is an error.
class FrameChannel {
 public:
  static constexpr std::size_t max_body = 16u << 20;

  /// `max_incoming` bounds the bodies of the peer's frames.
  explicit FrameChannel(UniqueFd socket, std::size_t max_incoming = max_body);

  int fd() const noexcept { return socket_.get(); }

  /// Queues a frame and sends as much as the socket takes. `descriptor` is duplicated: the caller keeps its
  /// own. Throws Error when the peer is gone.
  void send(FrameType type, std::string_view body, int descriptor = -1);
  /// True while queued bytes wait for the socket to become writable; then call flush().
  bool wants_write() const noexcept { return !outgoing_.empty(); }
  /// Frames that wait.
  std::size_t queued() const noexcept { return outgoing_.size(); }
  void flush();

  /// Reads what is there and returns the next whole frame, or nothing. Call until it returns nothing.
  /// Throws Error when the peer broke the rules. After the peer closed, closed() is true.
  std::optional<Frame> receive();
  bool closed() const noexcept { return closed_; }

 private:
  struct Outgoing {
    std::string bytes;
    std::size_t sent = 0;
    UniqueFd descriptor;
  };

  bool read_more();
  std::optional<Frame> take_frame();

  UniqueFd socket_;
  std::size_t max_incoming_;
  std::deque<Outgoing> outgoing_;
  std::string incoming_;
  std::deque<UniqueFd> descriptors_;
  bool closed_ = false;
};

/// A connected pair of non-blocking, close-on-exec sockets for a FrameChannel at each end.
std::pair<UniqueFd, UniqueFd> make_channel_pair();

}  // namespace arcus::wire
