#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "lib/http/chunked.h"
#include "lib/http/head.h"
#include "lib/net/backlog.h"
#include "lib/net/context.h"
#include "lib/net/pipe_pool.h"
#include "lib/net/stream.h"
#include "lib/net/throttle.h"

namespace arcus::http {

/// What one call of BodyCoder::feed made of its input.
struct CodedBytes {
  std::string_view out;      ///< to be sent; views the input or the room given
  std::size_t consumed = 0;  ///< of the input; the rest is either an unfinished trailer or not body at all
  bool bad = false;          ///< the chunked coding is broken
};

/// Turns a body as received into the body as sent, framing included; knows where it ends.
class BodyCoder {
 public:
  /// How much larger than its input the output of one feed() can be.
  static constexpr std::size_t slack = 16 * 1024;

  /// `sent` is `received`, or until_close for a chunked body that a 1.0 client gets.
  void start(Framing received, std::uint64_t length, Framing sent) noexcept;
  /// `room` must have in.size() + slack bytes.
  CodedBytes feed(std::string_view in, std::span<char> room) noexcept;

  bool done() const noexcept { return done_; }
  bool until_close() const noexcept { return received_ == Framing::until_close; }
  /// The source has closed: that is the end of an until_close body, and of no other.
  void close() noexcept { done_ = until_close(); }
  /// So many bytes may pass unchanged, without feed().
  std::uint64_t plain_bytes() const noexcept;
  /// `count` of them did.
  void skip(std::uint64_t count) noexcept;

 private:
  CodedBytes feed_chunks(std::string_view in, std::span<char> room) noexcept;

  ChunkDecoder chunks_;
  std::uint64_t left_ = 0;
  Framing received_ = Framing::none;
  Framing sent_ = Framing::none;
  bool done_ = true;
};

/// Moves one body from a stream to another: through the coder, or by splice where nothing needs to be looked
/// at. Keeps only what the sink would not take.
class BodyPump {
 public:
  /// One turn moves at most so much before other connections get theirs.
  static constexpr std::size_t turn_budget = 1024 * 1024;
  /// From so many bytes on a pipe pays.
  static constexpr std::uint64_t bulk = 64 * 1024;

  enum class Flow : std::uint8_t {
    waiting,       ///< for readiness of either stream
    busy,          ///< the budget is used up: come back
    finished,      ///< the whole body was taken by the sink
    source_ended,  ///< before the body did
    source_failed,
    sink_failed,
    bad,  ///< the coding is broken
  };

  BodyCoder& coder() noexcept { return coder_; }
  /// What bounds its bytes per second; nullptr = nothing. Forgotten by clear().
  void set_throttle(Throttle* throttle) noexcept { throttle_ = throttle; }
  /// How many of `most` bytes may be read from `source` now; 0 = the throttle's waiter is run when some may.
  std::size_t may_read(const Stream& source, std::size_t most) {
    return throttle_ == nullptr || !source.readable() ? most : throttle_->lease(most);
  }
  void note_read(std::size_t bytes) noexcept {
    if (throttle_ != nullptr) throttle_->use(bytes);
  }
  /// Sends `head` and `body`, what the sink does not take is kept. False when the sink has failed.
  bool send(Stream& sink, std::string_view head, std::string_view body);
  /// Moves what can be moved now. `held` is what was read from the source and not consumed.
  Flow run(NetContext& net, std::span<char> room, Stream& source, Backlog& held, Stream& sink);

  /// Sends what was kept: finished, waiting or sink_failed.
  Flow flush(Stream& sink);
  bool flushed() const noexcept { return out_.empty() && piped() == 0; }
  bool finished() const noexcept { return coder_.done() && flushed(); }
  /// Bytes read from the source, or taken by the sink, since the last call.
  std::size_t take_read() noexcept;
  std::size_t take_written() noexcept;
  /// Forgets everything under way.
  void clear(NetContext& net) noexcept;

 private:
  Flow copy(NetContext& net, std::span<char> room, Stream& source, Backlog& held, Stream& sink,
            std::size_t& budget);
  Flow splice(NetContext& net, Stream& source, Stream& sink, std::size_t& budget);
  bool can_splice(const Stream& source, const Stream& sink, const Backlog& held) const noexcept;
  bool fill_pipe(Stream& source, std::size_t most);
  bool drain_pipe(Stream& sink);
  void give_pipe(NetContext& net) noexcept;
  std::size_t piped() const noexcept { return pipe_ ? pipe_->held : 0; }

  BodyCoder coder_;
  Backlog out_;
  std::unique_ptr<Pipe> pipe_;
  Throttle* throttle_ = nullptr;
  std::uint64_t total_ = 0;  ///< copied so far
  std::size_t read_ = 0;
  std::size_t written_ = 0;
  bool source_ended_ = false;
};

/// Reads at most `most` bytes behind what is held of `source`: `bytes` is both together, in the scratch
/// buffer. `held` is emptied only when something came.
IoResult read_behind(NetContext& net, Stream& source, Backlog& held, std::string_view& bytes,
                     std::size_t most = scratch_size);

}  // namespace arcus::http
