#pragma once

#include <atomic>
#include <cstdint>

namespace arcus {

/// A count that one thread writes and anybody may read: plain relaxed load and store.
class Count {
 public:
  void add(std::uint64_t amount = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void raise_to(std::uint64_t amount) noexcept {
    if (amount > value_.load(std::memory_order_relaxed)) value_.store(amount, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};
static_assert(sizeof(Count) == 8 && std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace arcus
