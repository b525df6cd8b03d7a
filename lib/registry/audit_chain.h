#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus::registry {

/// The seal of an audit row is SHA-256 over the seal before it and all values of the row (the encoding is in
/// arcus-registry(5)), so a row that is changed, removed or moved afterwards no longer fits. The daemon
/// seals. Who may write the file could seal everything anew: only a seal that was noted elsewhere shows that.

/// The columns of `audit` in the order in which they are sealed; the seal last.
inline constexpr std::string_view audit_columns =
    "id, at, actor, via, action, tenant, object, object_id, before, after, reason, seal";

/// True when rows wait for their seal; one look at two rows.
bool has_unsealed_audit(Database& db);

/// Seals the oldest `most` rows that have no seal; returns how many. Inside a Mutation of the daemon.
std::int64_t seal_audit(Database& db, std::int64_t most);

struct AuditFault {
  std::int64_t id = 0;
  std::string problem;
};

struct AuditCheck {
  std::int64_t rows = 0;
  std::int64_t sealed = 0;     ///< rows whose seal fits
  std::int64_t unsealed = 0;   ///< newest rows that the daemon has not come to
  std::int64_t pruned_to = 0;  ///< the last row that `audit prune` removed; 0 = none
  std::int64_t last_id = 0;    ///< the last sealed row; 0 = none
  std::string last_seal;
  std::vector<AuditFault> faults;  ///< by id
};

/// Computes every seal again, in one snapshot.
AuditCheck check_audit(Database& db);

struct AuditPrune {
  std::int64_t rows = 0;
  std::int64_t first_id = 0;
  std::int64_t last_id = 0;
};

/// Removes the oldest rows that are sealed and older than `before` (a registry time), and says so in a new
/// row. Inside a Mutation. Throws Error (conflict) when one of them does not fit its seal: that is evidence.
AuditPrune prune_audit(Database& db, std::string_view before);

}  // namespace arcus::registry
