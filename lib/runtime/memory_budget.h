#pragma once

#include <atomic>
#include <cstdint>

namespace arcus {

/// How much of what a worker may allocate is in use. Looked at now and then by the main thread; all threads
/// ask.
class MemoryBudget {
 public:
  /// 0 = unlimited.
  void set_limit(std::int64_t bytes) noexcept;
  bool is_limited() const noexcept { return limit_.load(std::memory_order_relaxed) > 0; }
  /// Asks the allocator.
  void measure() noexcept;
  /// Nine tenths were in use: nobody new is let in.
  bool is_short() const noexcept { return is_short_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> limit_{0};
  std::atomic<bool> is_short_{false};
};

}  // namespace arcus
