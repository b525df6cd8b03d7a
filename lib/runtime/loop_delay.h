#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace arcus {

/// How long events wait before a data thread gets to them: samples in buckets, a quarter of an octave wide.
/// Any thread may add and read.
class LoopDelay {
 public:
  void add(std::chrono::microseconds delay) noexcept {
    buckets_[bucket_of(delay)].fetch_add(1, std::memory_order_relaxed);
  }
  /// Adds our samples to `sums` and forgets them.
  void move_to(LoopDelay& sums) noexcept;
  /// 99 of 100 samples were no longer than this, at most a fifth too much; 0 without samples.
  std::chrono::microseconds p99() const noexcept;

 private:
  static constexpr std::size_t octaves = 24;  // up to 16 s
  static std::size_t bucket_of(std::chrono::microseconds delay) noexcept;

  std::array<std::atomic<std::uint32_t>, octaves * 4> buckets_{};
};

}  // namespace arcus
