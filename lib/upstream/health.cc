#include "lib/upstream/health.h"

#include <algorithm>

#include "lib/upstream/waiting_line.h"

namespace arcus {

static std::int64_t nanoseconds(SteadyTime::duration time) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}

static std::int64_t nanoseconds(SteadyTime time) noexcept { return nanoseconds(time.time_since_epoch()); }

void BackendHealth::set_terms(const HealthTerms& terms) noexcept {
  is_checked_.store(terms.is_checked, std::memory_order_relaxed);
  fall_.store(std::max(terms.fall, 1), std::memory_order_relaxed);
  rise_.store(std::max(terms.rise, 1), std::memory_order_relaxed);
  slow_start_ns_.store(nanoseconds(terms.slow_start), std::memory_order_relaxed);
}

bool BackendHealth::may_try(SteadyTime now) noexcept {
  if (!is_down()) return true;
  if (is_checked_.load(std::memory_order_relaxed)) return false;
  std::int64_t due = next_trial_.load(std::memory_order_relaxed);
  if (nanoseconds(now) < due) return false;
  return next_trial_.compare_exchange_strong(due, nanoseconds(now + retry), std::memory_order_relaxed);
}

bool BackendHealth::note_success(SteadyTime now) noexcept {
  if (failures_.load(std::memory_order_relaxed) != 0) failures_.store(0, std::memory_order_relaxed);
  if (!is_down()) return false;
  const int needed = is_checked_.load(std::memory_order_relaxed) ? rise_.load(std::memory_order_relaxed) : 1;
  if (successes_.fetch_add(1, std::memory_order_relaxed) + 1 < needed) return false;
  up_since_.store(nanoseconds(now), std::memory_order_relaxed);
  const bool came_up = down_.exchange(false, std::memory_order_seq_cst);
  if (came_up && line_ != nullptr) line_->call_all();
  return came_up;
}

bool BackendHealth::take(std::int64_t most) noexcept {
  if (most <= 0) {
    active.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  std::int64_t now = active.load(std::memory_order_relaxed);
  while (now < most)
    if (active.compare_exchange_weak(now, now + 1, std::memory_order_relaxed)) return true;
  return false;
}

void BackendHealth::give_back() noexcept {
  active.fetch_sub(1, std::memory_order_seq_cst);
  if (line_ != nullptr) line_->call_next();
}

bool BackendHealth::note_failure(SteadyTime now) noexcept {
  successes_.store(0, std::memory_order_relaxed);
  next_trial_.store(nanoseconds(now + retry), std::memory_order_relaxed);
  const int before = failures_.fetch_add(1, std::memory_order_relaxed);
  if (before + 1 < fall_.load(std::memory_order_relaxed)) return false;
  const bool went_down = !down_.exchange(true, std::memory_order_seq_cst);
  if (went_down && line_ != nullptr) line_->call_all();  // perhaps there is nobody left to wait for
  return went_down;
}

void BackendHealth::set_down(SteadyTime now) noexcept {
  next_trial_.store(nanoseconds(now), std::memory_order_relaxed);
  down_.store(true, std::memory_order_relaxed);
}

int BackendHealth::share(SteadyTime now) const noexcept {
  const std::int64_t since = up_since_.load(std::memory_order_relaxed);
  if (since == 0) return whole_share;
  const std::int64_t slow = slow_start_ns_.load(std::memory_order_relaxed);
  const std::int64_t passed = nanoseconds(now) - since;
  // Another thread's clock may have been ahead when it came up: then none has passed.
  if (slow <= 0 || passed >= slow) return whole_share;
  return static_cast<int>(std::clamp<std::int64_t>(passed * whole_share / slow, 1, whole_share));
}

}  // namespace arcus
