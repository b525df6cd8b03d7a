#include "lib/net/throttle.h"

#include <algorithm>
#include <chrono>

namespace arcus {

using std::chrono::milliseconds;

static constexpr std::int64_t leases_per_second = 100;
static constexpr std::int64_t min_lease = 512;
static constexpr std::int64_t max_lease = 256 * 1024;
/// A lease is at most such a part of a second of the tightest rate.
static constexpr std::int64_t most_part = 10;
/// When turns are longer in coming than this, leases are a quarter, and turns come sooner.
static constexpr milliseconds long_wait{50};
static constexpr std::int64_t crowded_part = 4;
/// Waiting is done in so many steps of so long, so that a thread has few lists of deadlines for it.
static constexpr milliseconds wait_step{10};
static constexpr milliseconds longest_wait = 10 * wait_step;

std::int64_t Throttle::tightest() const noexcept {
  std::int64_t least = 0;
  for (const RateBucket* bucket : buckets_) {
    const std::int64_t rate = bucket != nullptr ? bucket->rate() : 0;
    if (rate != 0 && (least == 0 || rate < least)) least = rate;
  }
  return least;
}

/// By the rate of the bucket that was waited for, so that all who share it get the same.
std::int64_t Throttle::lease_size(std::int64_t tightest_rate) const noexcept {
  const std::int64_t awaited = awaited_ != nullptr ? awaited_->rate() : 0;
  const std::int64_t pace = awaited != 0 ? awaited : tightest_rate;
  const std::int64_t most = std::clamp(tightest_rate / most_part, min_lease, max_lease);
  return std::clamp(pace / leases_per_second / (crowded_ ? crowded_part : 1), min_lease, most);
}

void Throttle::reserve(std::int64_t tightest_rate) {
  const SteadyTime now = context_.poller.now();
  const std::int64_t size = lease_size(tightest_rate);
  ready_at_ = now;
  awaited_ = nullptr;
  for (RateBucket* bucket : buckets_) {
    if (bucket == nullptr) continue;
    const SteadyTime at = bucket->reserve(now, size);
    if (at <= ready_at_) continue;
    ready_at_ = at;
    awaited_ = bucket;
  }
  crowded_ = ready_at_ - now > long_wait;
  held_ = static_cast<std::size_t>(size);
}

std::size_t Throttle::lease(std::size_t wanted) {
  if (held_ == 0) {
    const std::int64_t rate = tightest();
    if (rate == 0) return wanted;
    reserve(rate);
  }
  const SteadyTime now = context_.poller.now();
  if (ready_at_ <= now) {
    deadline_.disarm();
    return std::min(wanted, held_);
  }
  if (!deadline_.is_armed()) {
    const auto steps =
        (std::chrono::ceil<milliseconds>(ready_at_ - now) + wait_step - milliseconds{1}) / wait_step;
    context_.deadlines.of(std::min(steps * wait_step, longest_wait)).arm(deadline_);
  }
  return 0;
}

void Throttle::use(std::size_t bytes) noexcept { held_ -= std::min(held_, bytes); }

void Throttle::charge(std::size_t bytes) noexcept {
  const SteadyTime now = context_.poller.now();
  for (RateBucket* bucket : buckets_)
    if (bucket != nullptr) bucket->charge(now, static_cast<std::int64_t>(bytes));
}

void Throttle::settle() noexcept {
  if (held_ > 0 && !deadline_.is_armed()) cancel();
}

void Throttle::cancel() noexcept {
  deadline_.disarm();
  for (RateBucket* bucket : buckets_)
    if (bucket != nullptr && held_ > 0) bucket->give_back(static_cast<std::int64_t>(held_));
  held_ = 0;
}

void Throttle::on_deadline(Deadline&) {
  if (waiter_ != nullptr) context_.poller.defer(*waiter_);
}

}  // namespace arcus
