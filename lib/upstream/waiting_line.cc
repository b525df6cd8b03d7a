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
  const auto at = all_.emplace(ticket, Waiting{.call = std::move(call), .called = false}).first;
  // Before the look that follows: either it sees the unit that is given back now, or that sees us.
  uncalled_.fetch_add(1, std::memory_order_seq_cst);
  return {.ticket = ticket, .is_first = at == all_.begin()};
}

bool WaitingLine::leave(std::uint64_t ticket) {
  const std::lock_guard lock(mutex_);
  const auto found = all_.find(ticket);
  if (found == all_.end()) return false;
  const bool called = found->second.called;
  if (!called) uncalled_.fetch_sub(1, std::memory_order_relaxed);
  all_.erase(found);
  return called;
}

void WaitingLine::call_next(std::uint64_t after) {
  const std::lock_guard lock(mutex_);
  for (auto at = all_.upper_bound(after); at != all_.end(); ++at) {
    if (at->second.called) continue;
    at->second.called = true;
    uncalled_.fetch_sub(1, std::memory_order_relaxed);
    return at->second.call(at->first);
  }
}

void WaitingLine::call_all() {
  if (uncalled_.load(std::memory_order_seq_cst) == 0) return;
  const std::lock_guard lock(mutex_);
  for (auto& [ticket, waiting] : all_) {
    if (std::exchange(waiting.called, true)) continue;
    uncalled_.fetch_sub(1, std::memory_order_relaxed);
    waiting.call(ticket);
  }
}

}  // namespace arcus
