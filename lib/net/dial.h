#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/resolver.h"
#include "lib/net/stream.h"

namespace arcus {

struct DialRequest {
  std::string host;  ///< name or literal, without brackets
  std::uint16_t port = 0;
  std::chrono::milliseconds timeout{30'000};  ///< DNS and all attempts together
  std::optional<IpAddress> source;            ///< bind to it first
};

/// How long the parts of a successful dial took.
struct DialTimes {
  std::chrono::microseconds dns{0};
  std::chrono::microseconds connect{0};  ///< of the attempt that won
};

/// Decides about and hears of one dial. The dialer may be destroyed inside on_dialed and on_dial_failed;
/// neither is called before start() has returned.
class DialHandler {
 public:
  /// Judges one address before anything is sent to it: ok, or why not (destination_denied, acl_denied). The
  /// address dialled is one that was judged here.
  virtual Reason on_address(const Endpoint& address) { return static_cast<void>(address), Reason::ok; }
  /// May offer a connection to `address` that is already there (a keep-alive pool); else not valid().
  virtual Stream on_reuse(const Endpoint& address) { return static_cast<void>(address), Stream(); }
  /// `reused` when it came from on_reuse. The stream has no handler yet.
  virtual void on_dialed(Stream stream, const Endpoint& address, bool reused) = 0;
  /// dns_failed, what on_address said, connect_refused, connect_timeout, unreachable, local_resource.
  virtual void on_dial_failed(Reason reason) = 0;

 protected:
  ~DialHandler() = default;
};

/// Resolve, judge, connect as one operation (RFC 8305): the families take turns, IPv6 first; at most 3 of the
/// allowed addresses are tried, each 250 ms after the one before or as soon as that has failed; the first
/// that connects wins and the others are closed.
class Dialer final : private StreamHandler, private DeadlineHandler, private ResolveQuery, private Deferred {
 public:
  static constexpr std::size_t max_addresses = 3;
  static constexpr std::chrono::milliseconds stagger{250};

  Dialer(NetContext& context, DialHandler& handler) noexcept;

  /// Begins; anything under way is dropped first.
  void start(DialRequest request);
  /// As a start() that ends with `reason`: on_dial_failed comes after this has returned.
  void fail_later(Reason reason);
  /// Ends without a callback.
  void stop() noexcept;
  bool is_active() const noexcept { return state_ != State::idle; }
  const DialTimes& times() const noexcept { return times_; }

 private:
  enum class State : std::uint8_t {
    idle,
    resolving,
    connecting,
    reused,  ///< on_dialed waits for on_deferred
    failed,  ///< on_dial_failed does
  };

  /// One allowed address, and the connection to it once it is under way.
  struct Attempt {
    Endpoint address;
    Stream stream;
    SteadyTime started;
  };

  void on_ready(Stream& stream) override;
  void on_deadline(Deadline& deadline) override;
  void on_resolved(Reason reason, std::span<const IpAddress> addresses) override;
  void on_deferred() override;
  void judge(std::span<const IpAddress> addresses);
  Reason admit(const IpAddress& address);
  bool reuse();
  /// Starts the next attempt that the kernel takes; false when none is left.
  bool attempt_next();
  void attempt_failed(Attempt& attempt, int number);
  void succeed(std::size_t winner, bool reused);
  void fail(Reason reason);

  NetContext& context_;
  DialHandler& handler_;
  DialRequest request_;
  std::array<Attempt, max_addresses> attempts_;
  std::size_t count_ = 0;  ///< allowed addresses
  std::size_t next_ = 0;   ///< the first that was not tried
  std::size_t open_ = 0;   ///< attempts under way
  Deadline total_{*this};
  Deadline stagger_{*this};
  SteadyTime started_;
  DialTimes times_;
  Reason last_reason_ = Reason::unreachable;
  State state_ = State::idle;
};

}  // namespace arcus
