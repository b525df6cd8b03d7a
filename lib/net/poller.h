#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "lib/base/time.h"
#include "lib/base/unique_fd.h"

namespace arcus {

/// Gets the epoll events (EPOLLIN, EPOLLOUT, …) of one registered descriptor.
class PollHandler {
 public:
  virtual void on_events(std::uint32_t events) = 0;

 protected:
  ~PollHandler() = default;
};

/// An object that may be freed only when no code of it can still be on the stack: see Poller::retire.
class Retired {
 public:
  virtual ~Retired() = default;
};

/// Something to run once, after the current batch of events. Destroying it takes it out of the queue.
class Deferred {
 public:
  Deferred() = default;
  Deferred(const Deferred&) = delete;
  Deferred& operator=(const Deferred&) = delete;
  virtual void on_deferred() = 0;
  bool is_queued() const noexcept { return previous_ != nullptr; }

 protected:
  virtual ~Deferred() { unqueue(); }
  void unqueue() noexcept;

 private:
  friend class Poller;
  Deferred** previous_ = nullptr;  ///< what points at us
  Deferred* next_ = nullptr;
};

/// One thread's epoll. Not for use by another thread.
///
/// Events reach a handler through a table indexed by descriptor, so a handler may be moved (rebind) or
/// dropped (forget) without a system call; an event of a descriptor that was closed earlier in the batch is
/// lost, not misdelivered.
class Poller {
 public:
  /// What traffic sockets register for, once: edge-triggered both ways.
  static const std::uint32_t traffic;

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Registers `fd`, which stays the caller's. False (errno set) when the kernel refuses.
  bool add(int fd, PollHandler& handler, std::uint32_t mask) noexcept;
  /// Another handler for a registered descriptor.
  void rebind(int fd, PollHandler& handler) noexcept;
  /// For a descriptor about to be closed, which takes it out of the epoll by itself.
  void forget(int fd) noexcept;
  /// Takes `fd`, which stays open, out of the epoll.
  void remove(int fd) noexcept;

  /// Runs `deferred` after the current batch (outside one: after the next wait, which does not block).
  /// Queuing it twice is once.
  void defer(Deferred& deferred) noexcept;
  /// Frees `object` after the current batch.
  void retire(std::unique_ptr<Retired> object);

  /// Waits at most until `deadline` for events, updates now(), hands the events to their handlers, then runs
  /// what was deferred and frees what was retired. What a handler throws is logged and goes no further.
  void run_once(SteadyTime deadline);

  /// The time as of the last wake-up.
  const SteadyTime& now() const noexcept { return now_; }
  /// How many times run_once woke up.
  std::uint64_t wakeups() const noexcept { return wakeups_; }

 private:
  struct Slot {
    PollHandler* handler = nullptr;
    std::uint32_t generation = 0;
  };

  void settle();

  UniqueFd epoll_;
  std::vector<Slot> slots_;  ///< by descriptor
  std::uint32_t generation_ = 0;
  Deferred* deferred_ = nullptr;
  std::vector<std::unique_ptr<Retired>> retired_;
  SteadyTime now_;
  std::uint64_t wakeups_ = 0;
};

}  // namespace arcus
