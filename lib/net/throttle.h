#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lib/base/time.h"
#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/poller.h"
#include "lib/net/rate_bucket.h"

namespace arcus {

/// The buckets of bytes that a connection's traffic passes, null = none. They outlive the throttle.
using ByteBuckets = std::array<RateBucket*, 3>;

/// One direction of a connection whose bytes per second are bounded, on its data thread. Whoever reads asks
/// for a lease first, of about 10 ms. Leases are taken in turn, over all threads, so
/// nobody starves; one whose turn has not come lets its connection read nothing until then.
class Throttle final : private DeadlineHandler {
 public:
  Throttle(NetContext& context, const ByteBuckets& buckets) noexcept : context_(context), buckets_(buckets) {}
  ~Throttle() { cancel(); }
  Throttle(const Throttle&) = delete;
  Throttle& operator=(const Throttle&) = delete;

  /// Who is run, as deferred, when it may read again.
  void set_waiter(Deferred& waiter) noexcept { waiter_ = &waiter; }
  /// How many of `wanted` bytes may be read now; 0: the waiter is run when some may.
  std::size_t lease(std::size_t wanted);
  /// So many were read, of what was leased.
  void use(std::size_t bytes) noexcept;
  /// So many passed without a lease: those that come have to wait for them.
  void charge(std::size_t bytes) noexcept;
  /// At the end of a turn: what is left of the lease goes back, unless its time is still to come.
  void settle() noexcept;
  /// Nothing is wanted any more, and nobody is run.
  void cancel() noexcept;
  /// Also when its time has come and the waiter is about to run.
  bool is_waiting() const noexcept {
    return deadline_.is_armed() || (held_ > 0 && waiter_ != nullptr && waiter_->is_queued());
  }

 private:
  void on_deadline(Deadline& deadline) override;
  std::int64_t tightest() const noexcept;
  std::int64_t lease_size(std::int64_t tightest_rate) const noexcept;
  void reserve(std::int64_t tightest_rate);

  NetContext& context_;
  ByteBuckets buckets_;
  Deferred* waiter_ = nullptr;
  Deadline deadline_{*this};
  SteadyTime ready_at_;
  const RateBucket* awaited_ = nullptr;  ///< whose turn came last
  std::size_t held_ = 0;                 ///< leased and not used, good from ready_at_ on
  bool crowded_ = false;                 ///< the last turn was long in coming
};

/// Both directions of a connection.
struct ThrottlePair {
  ThrottlePair(NetContext& context, const ByteBuckets& buckets) noexcept
      : from_client(context, buckets), to_client(context, buckets) {}

  void set_waiter(Deferred& waiter) noexcept {
    from_client.set_waiter(waiter);
    to_client.set_waiter(waiter);
  }
  void settle() noexcept {
    from_client.settle();
    to_client.settle();
  }
  void cancel() noexcept {
    from_client.cancel();
    to_client.cancel();
  }
  bool is_waiting() const noexcept { return from_client.is_waiting() || to_client.is_waiting(); }

  Throttle from_client;
  Throttle to_client;
};

}  // namespace arcus
