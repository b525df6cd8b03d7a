#pragma once

#include <chrono>
#include <cstdint>

#include "lib/base/time.h"
#include "lib/db/database.h"

namespace arcus::registry {

/// How long history is kept; 0 = for ever.
struct Retention {
  std::chrono::milliseconds audit{34'560'000'000};  ///< 400 days
  std::chrono::milliseconds events{2'592'000'000};  ///< 30 days; of the health history as well
  std::chrono::milliseconds logs{2'592'000'000};    ///< rotated log files

  bool operator==(const Retention&) const = default;
};

/// Rows that went.
struct Garbage {
  std::int64_t events = 0;
  std::int64_t health_events = 0;
};

/// Removes events that are older than `retention` at `now`, at most `most` rows of each table, the oldest
/// first. Inside a Mutation.
Garbage remove_old_events(Database& db, const Retention& retention, WallTime now, std::int64_t most);
/// The same for audit rows, as prune_audit() does it and throws, once there is a day's worth; returns how
/// many.
std::int64_t prune_old_audit(Database& db, const Retention& retention, WallTime now, std::int64_t most);

}  // namespace arcus::registry
