#pragma once

#include <cstdint>

namespace arcus {

/// Spreads every bit of `value` over the whole result.
constexpr std::uint64_t mix(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

/// A stream of numbers for spreading load, not for secrets (splitmix64).
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept { return mix(state_ += 0x9e3779b97f4a7c15); }
  /// 0 to `bound` - 1; `bound` below 2^32.
  std::uint64_t below(std::uint64_t bound) noexcept { return (next() >> 32) * bound >> 32; }

 private:
  std::uint64_t state_;
};

}  // namespace arcus
