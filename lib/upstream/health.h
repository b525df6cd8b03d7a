#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "lib/base/time.h"

namespace arcus {

class WaitingLine;

/// When a backend counts as down, and how it comes back.
struct HealthTerms {
  int fall = 3;                                  ///< failures in a row until it is down
  int rise = 2;                                  ///< successes of checks in a row until it is up again
  std::chrono::milliseconds slow_start{10'000};  ///< until it has its whole share again; 0 = at once
  bool is_checked = false;  ///< by checks; else a client is its trial now and then, and one success is enough
};

/// What the threads of a worker know together about one backend; survives a reload that keeps its id and
/// address.
class BackendHealth {
 public:
  static constexpr std::chrono::milliseconds retry{2'000};  ///< from one client's trial to the next
  static constexpr int whole_share = 256;

  void set_terms(const HealthTerms& terms) noexcept;

  /// As Member::is_full() in one order with WaitingLine.
  bool is_down() const noexcept { return down_.load(std::memory_order_seq_cst); }
  /// Whether the next result may change the state: it is down, or the last one was a failure.
  bool is_in_question() const noexcept { return is_down() || failures_.load(std::memory_order_relaxed) > 0; }
  /// False while down; unless it is checked, once per `retry` true for one caller, whose connection is the
  /// trial.
  bool may_try(SteadyTime now) noexcept;
  /// A connect or a check succeeded; true when that brought it up.
  bool note_success(SteadyTime now) noexcept;
  /// A connect or a check failed; true when that took it down.
  bool note_failure(SteadyTime now) noexcept;
  /// As known from before.
  void set_down(SteadyTime now) noexcept;
  /// How much of its weight counts now: 1 to whole_share, less than that only in its slow start.
  int share(SteadyTime now) const noexcept;

  /// Who is called when a unit is given back, or when it comes up or goes down; may be null. Must outlive
  /// this.
  void set_line(WaitingLine* line) noexcept { line_ = line; }
  /// One connection more, unless there are `most`; 0 = unlimited.
  bool take(std::int64_t most) noexcept;
  /// One connection less, and whoever waits for one is called.
  void give_back() noexcept;

  std::atomic<std::int64_t> active{0};  ///< connections over all threads

 private:
  WaitingLine* line_ = nullptr;
  std::atomic<bool> down_{false};
  std::atomic<bool> is_checked_{false};
  std::atomic<int> failures_{0};   ///< in a row
  std::atomic<int> successes_{0};  ///< in a row, while down
  std::atomic<int> fall_{3};
  std::atomic<int> rise_{2};
  std::atomic<std::int64_t> slow_start_ns_{0};
  std::atomic<std::int64_t> up_since_{0};    ///< steady clock, nanoseconds; 0 = was never down
  std::atomic<std::int64_t> next_trial_{0};  ///< the same
};

}  // namespace arcus
