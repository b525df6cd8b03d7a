#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "lib/registry/tallies.h"
#include "lib/wire/counters.h"

namespace arcus::daemon {

/// What the tallies of one life of a worker have come to, and what of that the registry has.
class TallyLedger {
 public:
  /// Takes over what grew; false, and that one is not taken, when a count grew by more than `most`.
  bool take(const wire::TallyTotals& totals, std::uint64_t most);
  /// Rows that the registry has not, or has otherwise.
  std::vector<registry::TallyCounts> changes() const;
  /// All changes() are in the registry.
  void note_written();

 private:
  struct Line {
    wire::TallyTotals seen;
    bool is_written = true;
  };
  std::map<std::string, Line> lines_;  ///< by name
};

}  // namespace arcus::daemon
