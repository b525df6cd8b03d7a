#include "lib/registry/history.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/registry/audit_chain.h"

namespace arcus::registry {

/// SQLite reads a negative LIMIT as none.
static std::int64_t sql_limit(std::int64_t limit) { return limit > 0 ? limit : -1; }

/// Queries fetch the newest first so that LIMIT keeps those; people read oldest first.
static Rows newest_last(Statement& st) {
  Rows rows = read_rows(st);
  std::ranges::reverse(rows.rows);
  return rows;
}

Rows list_changes(Database& db, const AuditFilter& filter) {
  auto st = db.query(
      "SELECT id, at, actor, via, action, object, change, reason FROM changes WHERE (?1 = '' OR at >= ?1) "
      "AND "
      "(?2 = '' OR actor = ?2) AND (?3 = '' OR via = ?3) AND (?4 = '' OR action = ?4) AND (?5 = '' OR object "
      "GLOB ?5) "
      "ORDER BY id DESC LIMIT ?6",
      filter.since, filter.actor, filter.via, filter.action, filter.object, sql_limit(filter.limit));
  return newest_last(st);
}

Rows audit_row(Database& db, std::int64_t id) {
  auto st = db.query("SELECT " + std::string{audit_columns} + " FROM audit WHERE id = ?", id);
  Rows rows = read_rows(st);
  if (rows.rows.empty())
    throw Error(ErrorKind::not_found, "no audit row " + std::to_string(id)).with_hint("arcusctl audit list");
  return rows;
}

Rows audit_rows(Database& db, std::string_view since) {
  auto st = db.query(
      "SELECT " + std::string{audit_columns} + " FROM audit WHERE ?1 = '' OR at >= ?1 ORDER BY id", since);
  return read_rows(st);
}

Rows list_events(Database& db, std::string_view since, std::int64_t limit) {
  auto st = db.query(
      "SELECT id, at, kind, tenant, object, detail FROM event WHERE (?1 = '' OR at >= ?1) ORDER BY id DESC "
      "LIMIT ?2",
      since, sql_limit(limit));
  return newest_last(st);
}

Rows list_health_events(Database& db, std::string_view server_id, std::int64_t limit) {
  auto st = db.query(
      "SELECT id, at, object, health_before, health, detail FROM health_event WHERE (?1 = '' OR server_id = "
      "?1) "
      "ORDER BY id DESC LIMIT ?2",
      server_id, sql_limit(limit));
  return newest_last(st);
}

}  // namespace arcus::registry
