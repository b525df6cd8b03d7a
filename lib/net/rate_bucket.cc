#include "lib/net/rate_bucket.h"

#include <algorithm>

namespace arcus {

static constexpr std::int64_t ns_per_second = 1'000'000'000;

static std::int64_t ns_of(SteadyTime time) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

static SteadyTime steady_time_of(std::int64_t ns) noexcept {
  return SteadyTime(std::chrono::duration_cast<SteadyTime::duration>(std::chrono::nanoseconds(ns)));
}

/// Rounded up: the rate is never exceeded.
static std::int64_t price_of(std::int64_t units, std::int64_t rate) noexcept {
  return (units * ns_per_second + rate - 1) / rate;
}

/// A little more than asked for makes up for prices that were rounded up.
std::int64_t RateBucket::burst_at(std::int64_t rate) const noexcept {
  constexpr std::int64_t most_rounding = 1'000'000;
  const std::int64_t burst = burst_.count() + std::min(rate, most_rounding);
  // To divide costs more than all the rest, and only small rates need it.
  const bool is_small = static_cast<double>(burst_.count()) * static_cast<double>(rate) <
                        static_cast<double>(least_) * static_cast<double>(ns_per_second);
  return is_small ? std::max(burst, price_of(least_, rate)) : burst;
}

void RateBucket::set_rate(std::int64_t per_second, SteadyTime now) noexcept {
  constexpr double most = 3600.0 * static_cast<double>(ns_per_second);
  const std::int64_t old = rate_.exchange(per_second, std::memory_order_relaxed);
  if (old == per_second) return;
  const std::int64_t at = ns_of(now);
  std::int64_t paid = paid_until_.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = at;
    if (old == 0 || per_second == 0 || paid <= at) continue;
    const double owed = static_cast<double>(paid - at) * static_cast<double>(old);
    next += static_cast<std::int64_t>(std::min(owed / static_cast<double>(per_second), most));
  } while (!paid_until_.compare_exchange_weak(paid, next, std::memory_order_relaxed));
}

bool RateBucket::take(SteadyTime now, std::int64_t units, std::chrono::nanoseconds patience) noexcept {
  const std::int64_t per_second = rate();
  if (per_second == 0) return true;
  const std::int64_t at = ns_of(now), cost = price_of(units, per_second),
                     most = at + burst_at(per_second) + patience.count();
  std::int64_t paid = paid_until_.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = std::max(paid, at) + cost;
    if (next > most && paid > at) return false;
  } while (!paid_until_.compare_exchange_weak(paid, next, std::memory_order_relaxed));
  return true;
}

SteadyTime RateBucket::reserve(SteadyTime now, std::int64_t units) noexcept {
  const std::int64_t per_second = rate();
  if (per_second == 0) return now;
  const std::int64_t at = ns_of(now), cost = price_of(units, per_second);
  std::int64_t paid = paid_until_.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = std::max(paid, at) + cost;
  } while (!paid_until_.compare_exchange_weak(paid, next, std::memory_order_relaxed));
  return steady_time_of(next - burst_at(per_second));
}

void RateBucket::charge(SteadyTime now, std::int64_t units) noexcept {
  const std::int64_t per_second = rate();
  if (per_second == 0) return;
  const std::int64_t at = ns_of(now), cost = price_of(units, per_second);
  const std::int64_t most = at + burst_at(per_second) + ns_per_second;
  std::int64_t paid = paid_until_.load(std::memory_order_relaxed);
  std::int64_t next = 0;
  do {
    next = std::max(paid, std::min(std::max(paid, at) + cost, most));
  } while (!paid_until_.compare_exchange_weak(paid, next, std::memory_order_relaxed));
}

void RateBucket::give_back(std::int64_t units) noexcept {
  if (const std::int64_t per_second = rate(); per_second != 0)
    paid_until_.fetch_sub(price_of(units, per_second), std::memory_order_relaxed);
}

}  // namespace arcus
