#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lib/base/reason.h"
#include "lib/runtime/connection.h"
#include "lib/upstream/backends.h"

namespace arcus {

/// Hears that a wait is over: next() is to be asked again.
class TurnHandler {
 public:
  virtual void on_turn() = 0;

 protected:
  ~TurnHandler() = default;
};

/// The backends that one client goes to, one after the other: 3 at most, none twice, each with its unit
/// taken. While all that are left are full it stands in line.
class BackendChoice {
 public:
  static constexpr std::size_t max_attempts = 3;
  enum class Step : std::uint8_t {
    go,    ///< backend() is set
    wait,  ///< for on_turn()
    none,  ///< failure() says why
  };

  BackendChoice() = default;
  BackendChoice(const BackendChoice&) = delete;
  BackendChoice& operator=(const BackendChoice&) = delete;
  ~BackendChoice() { reset(); }

  /// Gives back the unit of the one before. `parents` = among the server's parent proxies. Both must outlive
  /// a wait.
  Step next(ClientConnection& client, bool parents, TurnHandler& handler);
  /// Leaves the line, for good: next() will not wait again.
  void give_up();
  /// As new.
  void reset();

  bool is_waiting() const noexcept { return place_ == Place::in_line; }
  /// Of the connection's snapshot.
  const Backend* backend() const noexcept { return backend_; }
  /// Where it stands in its set.
  std::size_t index() const noexcept { return tried_.back(); }
  std::size_t attempts() const noexcept { return tried_.size(); }
  /// Whether another one may be asked after this one.
  bool may_go_on(const BackendSet& set) const noexcept;
  /// no_backend or limit_backend.
  Reason failure() const noexcept { return failure_; }
  /// Inside the handler that uses the connection: the unit, to be kept as long as it lives.
  BackendSlot take_slot() noexcept { return std::move(slot_); }

  /// For the thread: it was called.
  void turn();

 private:
  enum class Place : std::uint8_t {
    outside,
    in_line,
    called,  ///< and not yet looked
  };

  bool pick(ClientConnection& client, bool parents, bool only_trials = false);
  Step stand_in_line(ClientConnection& client, bool parents, TurnHandler& handler);
  /// What it has tried has room, or its backends are those of before a reload: others may find more than it.
  bool sees_less(const ClientConnection& client, const BackendSet& set) const noexcept;
  /// Whoever was called, for whatever came of it, calls the next: there may be room for several.
  void leave_line();

  std::vector<std::size_t> tried_;  ///< by index
  const Backend* backend_ = nullptr;
  BackendSlot slot_;
  std::shared_ptr<WaitingLine> line_;  ///< where `ticket_` counts; null = it never waited
  std::uint64_t ticket_ = 0;           ///< kept: who comes back stands where it stood
  DataThread* thread_ = nullptr;       ///< while in line, as the three that follow
  TurnHandler* handler_ = nullptr;
  std::shared_ptr<const ServerConfig> snapshot_;  ///< keeps `waiters_`
  std::atomic<std::int64_t>* waiters_ = nullptr;
  bool hinders_ = false;  ///< counts there: newcomers wait behind it
  Place place_ = Place::outside;
  bool gave_up_ = false;
  Reason failure_ = Reason::no_backend;
};

}  // namespace arcus
