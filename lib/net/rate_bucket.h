#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "lib/base/time.h"

namespace arcus {

/// A bound on how many units per second all threads together may use: a token bucket in one word, the time
/// until which all that was taken is paid for. 0 = unlimited. The rate may change under way.
class RateBucket {
 public:
  /// What was not used in time may be made up for as long as `burst`, but at least `least` units at once.
  RateBucket(std::chrono::nanoseconds burst, std::int64_t least) noexcept : burst_(burst), least_(least) {}

  /// What is owed is owed at the new rate. Not for two threads at once.
  void set_rate(std::int64_t per_second, SteadyTime now) noexcept;
  std::int64_t rate() const noexcept { return rate_.load(std::memory_order_relaxed); }
  bool is_limited() const noexcept { return rate() != 0; }

  /// Takes `units` when they are there, or will be within `patience`; else nothing, and false. However many
  /// there are, they are there when nobody has taken any.
  bool take(SteadyTime now, std::int64_t units = 1, std::chrono::nanoseconds patience = {}) noexcept;
  /// Takes `units` in any case and in turn: returns when they are there, perhaps before `now`.
  SteadyTime reserve(SteadyTime now, std::int64_t units) noexcept;
  /// They were used already: whoever comes later waits for them, but for a second at the most, so that many
  /// who could not be asked first do not shut out all others.
  void charge(SteadyTime now, std::int64_t units) noexcept;
  /// They were taken and not used.
  void give_back(std::int64_t units = 1) noexcept;

 private:
  std::int64_t burst_at(std::int64_t rate) const noexcept;

  std::atomic<std::int64_t> paid_until_{0};  ///< ns of the steady clock; the past = a full bucket
  std::atomic<std::int64_t> rate_{0};
  std::chrono::nanoseconds burst_;
  std::int64_t least_;
};

}  // namespace arcus
