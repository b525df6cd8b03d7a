#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lib/upstream/roster.h"

namespace arcus {

/// What a thread knows of the connections of a roster's members, with the least loaded for its weight on top.
/// Each pick looks at a few members, so up to `looks` of them the picture is exact, and of 1,000 every one is
/// looked at within 63 picks or 100 ms.
class Loads {
 public:
  static constexpr std::size_t looks = 16;
  static constexpr std::chrono::milliseconds stale_after{100};

  bool empty() const noexcept { return leaves_.empty(); }
  /// Looks at all and begins with a random one of equals.
  void begin(const Roster& roster, SteadyTime now, Random& random);
  /// The looks of one pick.
  void look_around(const Roster& roster, SteadyTime now) noexcept;
  void look_at_all(const Roster& roster, SteadyTime now) noexcept;
  /// False when the member is as it was known.
  bool look(const Roster& roster, std::uint32_t position, SteadyTime now) noexcept;
  /// Takes it out until the next look.
  void shut(std::uint32_t position) noexcept;

  /// The open member with the fewest connections for its weight; of equals the one whose turn is due, by
  /// weight too. Nothing open: the number of members or more.
  std::uint32_t least() const noexcept;
  /// Whether one more keeps it within 5/4 of its fair part of all connections.
  bool has_room(std::uint32_t position) const noexcept;
  /// It is given a client.
  void note_pick(std::uint32_t position) noexcept;

 private:
  struct Leaf {
    std::int64_t active = 0;
    std::uint64_t due = 0;     ///< its turn among equals
    std::uint32_t weight = 0;  ///< 256 of one in full; 0 while it is down
    bool is_open = false;      ///< up and not full
  };

  bool is_less(std::uint32_t a, std::uint32_t b) const noexcept;
  void lift(std::uint32_t position) noexcept;
  void set(std::uint32_t position, const Leaf& leaf) noexcept;

  std::vector<Leaf> leaves_;
  std::vector<std::uint32_t> winners_;  ///< a heap of matches: 1 is the final, the second half the members
  std::uint64_t clock_ = 0;             ///< the turn that was last taken
  std::int64_t active_ = 0;             ///< of those up
  std::int64_t weight_ = 0;             ///< the same
  std::size_t cursor_ = 0;
  SteadyTime looked_at_all_{};
};

}  // namespace arcus
