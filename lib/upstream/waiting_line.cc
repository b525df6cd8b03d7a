#include "lib/upstream/waiting_line.h"

#include <utility>

namespace arcus {

static std::uint64_t next_ticket() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

WaitingLine::Place WaitingLine::join(Call call, std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  if (ticket == 0) ticket = next_ticket();
  const auto at = uncalled_.emplace(ticket, std::move(call)).first;
  const bool is_first = at == uncalled_.begin() && (called_.empty() || called_.begin()->first > ticket);
  // Before the look that follows: either it sees the unit that is given back now, or that sees us.
  uncalled_count_.fetch_add(1, std::memory_order_seq_cst);
  return {.ticket = ticket, .is_first = is_first};
}

bool WaitingLine::leave(std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  if (uncalled_.erase(ticket) == 0) return called_.erase(ticket) > 0;
  uncalled_count_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

void WaitingLine::call_next(std::uint64_t after) {
  if (uncalled_count_.load(std::memory_order_seq_cst) == 0) return;
  const std::lock_guard lock(mutex_);
  const auto next = uncalled_.upper_bound(after);
  if (next == uncalled_.end()) return;
  uncalled_count_.fetch_sub(1, std::memory_order_relaxed);
  const auto now = called_.insert(uncalled_.extract(next)).position;
  now->second(now->first);
}

void WaitingLine::call_all() {
  if (uncalled_count_.load(std::memory_order_seq_cst) == 0) return;
  const std::lock_guard lock(mutex_);
  while (!uncalled_.empty()) {
    uncalled_count_.fetch_sub(1, std::memory_order_relaxed);
    const auto now = called_.insert(uncalled_.extract(uncalled_.begin())).position;
    now->second(now->first);
  }
}

}  // namespace arcus
