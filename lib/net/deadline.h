#pragma once

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>

#include "lib/base/time.h"

namespace arcus {

class Deadline;
class DeadlineList;
class DeadlineLists;

class DeadlineHandler {
 public:
  /// `deadline` has passed and is not armed any more.
  virtual void on_deadline(Deadline& deadline) = 0;

 protected:
  ~DeadlineHandler() = default;
};

/// One timer of a session. Arm it on the list of its duration; arming again moves it; destroying it disarms.
class Deadline {
 public:
  explicit Deadline(DeadlineHandler& handler) noexcept : handler_(&handler) {}
  ~Deadline() { disarm(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  bool is_armed() const noexcept { return list_ != nullptr; }
  void disarm() noexcept;

 private:
  friend class DeadlineList;
  friend class DeadlineLists;
  DeadlineHandler* handler_;
  DeadlineList* list_ = nullptr;
  Deadline* previous_ = nullptr;
  Deadline* next_ = nullptr;
  SteadyTime at_;
};

/// All armed deadlines of one duration, the earliest first: arming is an append, O(1), by the cached clock.
/// That is of the begin of a batch of events, so a little is added: whoever arms late in a batch is not
/// to be told early.
class DeadlineList {
 public:
  DeadlineList(DeadlineLists& lists, std::chrono::milliseconds duration) noexcept
      : lists_(lists), duration_(duration), wait_(duration + margin(duration)) {}

  /// A 32nd, 20 ms at most.
  static constexpr std::chrono::microseconds margin(std::chrono::milliseconds duration) noexcept {
    return std::min<std::chrono::microseconds>(duration, std::chrono::milliseconds{640}) / 32;
  }

  std::chrono::milliseconds duration() const noexcept { return duration_; }
  /// (Re-)arms for now + duration and margin. A duration of 0 or less means never: disarms.
  void arm(Deadline& deadline) noexcept;

 private:
  friend class Deadline;
  friend class DeadlineLists;
  void unlink(Deadline& deadline) noexcept;

  DeadlineLists& lists_;
  std::chrono::milliseconds duration_;
  std::chrono::microseconds wait_;
  Deadline* first_ = nullptr;
  Deadline* last_ = nullptr;
};

/// The lists of one thread, one per duration in use.
class DeadlineLists {
 public:
  /// `now` is the poller's cached clock; must outlive the lists.
  explicit DeadlineLists(const SteadyTime& now) noexcept : now_(now) {}

  /// The list of that duration; the reference stays valid for the life of the thread.
  DeadlineList& of(std::chrono::milliseconds duration);
  /// When to wake up at the latest; SteadyTime::max() when nothing is armed.
  SteadyTime earliest() const noexcept { return earliest_; }
  /// Fires everything that is due.
  void sweep();

 private:
  friend class DeadlineList;
  const SteadyTime& now_;
  SteadyTime earliest_ = SteadyTime::max();
  std::map<std::chrono::milliseconds, std::unique_ptr<DeadlineList>> lists_;
};

}  // namespace arcus
