#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "lib/base/reason.h"
#include "lib/net/backlog.h"
#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/pipe_pool.h"
#include "lib/net/stream.h"
#include "lib/net/throttle.h"

namespace arcus {

class RelayHandler {
 public:
  /// Bytes were delivered: from the client to the backend, and from the backend to the client. For counters;
  /// must not touch the relay.
  virtual void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept = 0;
  /// The client's next bytes, before they are passed on: only after listen(), until it says false. Must not
  /// touch the relay.
  virtual bool on_client_bytes(std::string_view bytes);
  /// Over: both streams are closed. ok (both sides finished), client_closed, upstream_closed, idle_timeout.
  /// Never called before start() has returned. The relay may be destroyed inside.
  virtual void on_relay_done(Reason reason) = 0;

 protected:
  ~RelayHandler() = default;
};

/// Moves bytes between two streams until both directions have ended: half-close is passed on, a slow reader
/// stops the other side's writer, bulk goes through a pipe (splice) after two full reads when no TLS is in
/// the way.
class Relay final : private StreamHandler, private DeadlineHandler, private Deferred {
 public:
  Relay(NetContext& context, RelayHandler& handler) noexcept : context_(context), handler_(handler) {}
  ~Relay() override { stop(); }

  /// Takes the backend's stream, and the client's for its use: that one stays where it is (its owner has room
  /// for it anyway) and must outlive the relay. `client_bytes` were read from the client and go to the
  /// backend first; `backend_bytes` the other way. `idle` of 0 = never.
  void start(Stream& client, Stream backend, std::string_view client_bytes, std::string_view backend_bytes,
             std::chrono::milliseconds idle);
  /// Before start(): the handler hears what the client says first.
  void listen() noexcept { listens_ = true; }
  /// What bounds its bytes per second from now on, which outlives the relay; nullptr = nothing. At any time.
  void set_throttles(ThrottlePair* throttles) noexcept;
  /// Closes both at once (RST), without on_relay_done.
  void stop() noexcept;
  bool is_active() const noexcept { return idle_ != nullptr; }

 private:
  /// How far one direction came.
  enum class Flow : std::uint8_t { waiting, busy, failed };

  /// One side, and the direction that leads from it to the other.
  struct Side {
    Stream* stream = nullptr;
    Backlog backlog;             ///< read from this side, not yet taken by the other
    std::unique_ptr<Pipe> pipe;  ///< while splicing
    Throttle* throttle = nullptr;
    std::size_t moved = 0;  ///< delivered since on_relayed was last called
    std::uint8_t full_reads = 0;
    bool ended = false;     ///< FIN read
    bool finished = false;  ///< and passed on

    std::size_t piped() const noexcept { return pipe ? pipe->held : 0; }
  };

  void on_ready(Stream& stream) override;
  void on_deadline(Deadline& deadline) override;
  void on_deferred() override;
  void run();
  Flow pump(Side& from, Side& to);
  /// How many bytes may be read from that side now; 0 = its throttle runs us when some may.
  static std::size_t may_read(const Side& from, std::size_t most);
  void resume_bulk(Side& from, const Side& to);
  Flow copy(Side& from, Side& to, std::size_t& budget);
  Flow splice(Side& from, Side& to, std::size_t& budget);
  Flow fill_pipe(Side& from, std::size_t most);
  Flow drain_pipe(Side& from, Side& to);
  Flow fail(const Side& side) noexcept;
  bool pass_end(Side& from, Side& to);
  static bool is_lost(const Side& side) noexcept;
  void end_idle(Side& from, Side& to) noexcept;
  void give_pipe(Side& side) noexcept;
  void drop_throttles() noexcept;
  void finish(Reason reason);

  NetContext& context_;
  RelayHandler& handler_;
  Stream backend_stream_;
  Side client_;
  Side backend_;
  Deadline deadline_{*this};
  DeadlineList* idle_ = nullptr;  ///< null = not active
  Reason failure_ = Reason::ok;
  ThrottlePair* throttles_ = nullptr;
  bool listens_ = false;
  bool starting_ = false;
  bool over_ = false;  ///< the outcome is failure_; on_relay_done waits for on_deferred
};

}  // namespace arcus
