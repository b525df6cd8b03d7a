#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>

namespace arcus {

/// Clients of one server for whom every backend was full, in the order of coming, over all threads and
/// reloads. Each connection that ends calls one of them, who then looks again. Safe from any thread.
///
/// Nobody is forgotten as long as whoever joins as the first looks for room once more, since what ended just
/// before called nobody; and whoever was called and found a place, or has no use for one, calls the next,
/// since of several that ended at once some found nobody to call.
class WaitingLine {
 public:
  /// Told that it is that ticket's turn: with the line locked, so only to pass it on.
  using Call = std::function<void(std::uint64_t ticket)>;
  struct Place {
    std::uint64_t ticket = 0;  ///< never 0; no other line of the process has it
    bool is_first = false;     ///< nobody stands before it, not even someone called
  };

  /// Behind everybody; with a `ticket` from before, where that stood.
  Place join(Call call, std::uint64_t ticket = 0);
  /// True when it had been called.
  bool leave(std::uint64_t ticket);
  /// Calls the first behind `after` who has not been called yet, if there is one: after each unit that was
  /// given back. Cheap when nobody waits.
  void call_next(std::uint64_t after = 0);
  /// There may be room for many, or none any more: everybody is called. Cheap when nobody waits.
  void call_all();

 private:
  std::mutex mutex_;
  std::map<std::uint64_t, Call> uncalled_;
  std::map<std::uint64_t, Call> called_;
  std::atomic<std::int64_t> uncalled_count_{0};
};

}  // namespace arcus
