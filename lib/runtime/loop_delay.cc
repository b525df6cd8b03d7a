#include "lib/runtime/loop_delay.h"

#include <algorithm>
#include <bit>

namespace arcus {

std::size_t LoopDelay::bucket_of(std::chrono::microseconds delay) noexcept {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(4, delay.count()));
  const auto octave = static_cast<std::size_t>(std::bit_width(value)) - 1;
  const std::size_t quarter = value >> (octave - 2) & 3;
  return std::min(octave * 4 + quarter, octaves * 4 - 1);
}

void LoopDelay::move_to(LoopDelay& sums) noexcept {
  for (std::size_t i = 0; i < buckets_.size(); ++i)
    sums.buckets_[i].fetch_add(buckets_[i].exchange(0, std::memory_order_relaxed), std::memory_order_relaxed);
}

std::chrono::microseconds LoopDelay::p99() const noexcept {
  std::uint64_t all = 0;
  for (const auto& bucket : buckets_) all += bucket.load(std::memory_order_relaxed);
  std::uint64_t above = all / 100;
  for (std::size_t i = buckets_.size(); i-- > 0;) {
    const std::uint64_t here = buckets_[i].load(std::memory_order_relaxed);
    if (here > above) return std::chrono::microseconds((5 + i % 4) << (i / 4) >> 2);
    above -= here;
  }
  return std::chrono::microseconds(0);
}

}  // namespace arcus
