#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/view.h"

namespace arcus::registry {

/// Which audit rows to list; empty = any. `since` is a registry time.
struct AuditFilter {
  std::string since;
  std::string actor;
  std::string via;
  std::string action;
  std::string object;  ///< glob
  std::int64_t limit = 0;
};
/// Rows of view `changes`, newest last.
Rows list_changes(Database& db, const AuditFilter& filter);
/// One row of `audit` with before and after. Throws Error (not_found).
Rows audit_row(Database& db, std::int64_t id);
/// Every value of the audit rows since a registry time (empty = all), oldest first.
Rows audit_rows(Database& db, std::string_view since);
/// Events since a registry time (empty = all), newest last.
Rows list_events(Database& db, std::string_view since, std::int64_t limit);
/// Health transitions of one server ("" = all), newest last.
Rows list_health_events(Database& db, std::string_view server_id, std::int64_t limit);

}  // namespace arcus::registry
