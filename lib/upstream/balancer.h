#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lib/base/server_type.h"
#include "lib/upstream/loads.h"
#include "lib/upstream/roster.h"
#include "lib/upstream/turns.h"

namespace arcus {

/// No member of a roster.
inline constexpr std::uint32_t nobody = 0xffffffff;

/// One client that wants a backend.
struct Query {
  const Roster& roster;                ///< with a member at least
  std::span<const std::size_t> tried;  ///< indexes in the set; not again
  std::uint64_t key = 0;               ///< a hash of the client's address
  SteadyTime now{};
  Random& random;

  bool is_tried(const Member& member) const noexcept;
  /// Up, with room, and not tried.
  bool is_usable(const Member& member) const noexcept;
};

/// What an algorithm remembers of one roster between picks; per thread.
struct BalancerState {
  std::uint64_t roster = 0;  ///< its number
  Turns turns;
  Loads loads;
};

/// One algorithm: a function and its row.
struct Balancer {
  std::string_view name;
  std::string_view summary;
  Aid aid;
  /// The position of a usable member. `nobody` when there is none, or so few that it gave up looking: then
  /// find_left() knows.
  std::uint32_t (*pick)(const Query& query, BalancerState& state);
};

/// Whom the look at every member found.
struct Left {
  std::uint32_t position = nobody;
  bool has_full = false;  ///< someone is up but full
};

/// Looks at every member: a usable one, by weight and at random, or by the client where that is what the
/// roster is for; else one that is down and due for a trial. O(n).
Left find_left(const Query& query) noexcept;

/// The table, sorted by name.
std::span<const Balancer> balancers() noexcept;
/// The same as the registry wants it.
std::span<const AlgorithmInfo> balance_algorithms() noexcept;
const Balancer* find_balancer(std::string_view name) noexcept;

}  // namespace arcus
