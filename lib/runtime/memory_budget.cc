#include "lib/runtime/memory_budget.h"

#include <malloc.h>

namespace arcus {

void MemoryBudget::set_limit(std::int64_t bytes) noexcept {
  limit_.store(bytes, std::memory_order_relaxed);
  measure();
}

void MemoryBudget::measure() noexcept {
  const std::int64_t limit = limit_.load(std::memory_order_relaxed);
  if (limit <= 0) return is_short_.store(false, std::memory_order_relaxed);
  const struct mallinfo2 info = ::mallinfo2();
  const auto in_use = static_cast<std::int64_t>(info.uordblks + info.hblkhd);
  is_short_.store(in_use >= limit / 10 * 9, std::memory_order_relaxed);
}

}  // namespace arcus
