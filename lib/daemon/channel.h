#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string_view>

#include "lib/wire/frame.h"

namespace arcus::daemon {

/// A FrameChannel driven by the daemon's event loop. Errors of the channel become one `on_end`.
class Channel {
 public:
  struct Handlers {
    std::function<void(wire::Frame)> on_frame;
    /// The peer closed (empty text) or broke the rules (what it did). Called once, then nothing more is.
    std::function<void(std::string_view error)> on_end;
  };

  Channel(asio::io_context& io, UniqueFd socket, Handlers handlers);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Throws Error for a body over FrameChannel::max_body, never for a peer that is gone: `on_end` comes
  /// later. `descriptor` stays the caller's.
  void send(wire::FrameType type, std::string_view body, int descriptor = -1);

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

}  // namespace arcus::daemon
