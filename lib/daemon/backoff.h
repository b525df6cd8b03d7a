#pragma once

#include <algorithm>
#include <chrono>

namespace arcus::daemon {

/// How long to wait before the next try: at once, then 100 ms doubling to 30 s; from the start again after a
/// success that lasted 60 s.
class Backoff {
 public:
  static constexpr std::chrono::milliseconds first{100};
  static constexpr std::chrono::milliseconds most{30'000};
  static constexpr std::chrono::milliseconds good_run{60'000};

  /// `lasted`: how long the last try held (0: it failed at once).
  std::chrono::milliseconds next(std::chrono::milliseconds lasted) noexcept {
    if (lasted >= good_run) delay_ = {};
    const auto now = delay_;
    delay_ = std::clamp(delay_ * 2, first, most);
    return now;
  }
  void reset() noexcept { delay_ = {}; }

 private:
  std::chrono::milliseconds delay_{0};
};

}  // namespace arcus::daemon
