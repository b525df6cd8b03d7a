#pragma once

#include <cstdint>
#include <vector>

#include "lib/upstream/roster.h"

namespace arcus {

/// Smooth weighted turns, earliest deadline first: in a cycle of as many turns as all weights together, a
/// class of rate r has its turns at 1/2r, 3/2r, ... and its members follow each other, so that each member
/// has exactly its weight and is spread evenly. A turn costs the logarithm of the number of different
/// weights.
class Turns {
 public:
  bool empty() const noexcept { return heap_.empty(); }
  /// Begins somewhere in the cycle. `roster` has two members or more.
  void begin(const Roster& roster, Random& random);
  /// The position whose turn it is. `roster` is that of begin().
  std::uint32_t take(const Roster& roster) noexcept;

 private:
  struct Turn {
    std::uint64_t taken = 0;  ///< of `rate` in this cycle
    std::uint64_t rate = 1;
    std::uint32_t next = 0;  ///< member of the class
    std::uint32_t weight_class = 0;
  };

  static bool is_sooner(const Turn& a, const Turn& b) noexcept;
  void sink() noexcept;

  std::vector<Turn> heap_;  ///< the soonest first
  std::uint64_t left_ = 0;  ///< turns to the end of the cycle
};

}  // namespace arcus
