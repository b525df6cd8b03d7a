#include "lib/registry/retention.h"

#include <string>

#include "lib/registry/audit_chain.h"

namespace arcus::registry {

/// The last of the first `most` rows of `table` that is older than `limit`; 0 = there is none.
static std::int64_t last_to_go(Database& db, const std::string& table, const std::string& limit,
                               std::int64_t most) {
  auto st = db.query("SELECT coalesce(max(id), 0) FROM (SELECT id FROM (SELECT id, at FROM " + table +
                         " ORDER BY id LIMIT ?2) WHERE at < ?1)",
                     limit, most);
  st.step();
  return st.column<std::int64_t>(0);
}

static std::int64_t remove_old(Database& db, const std::string& table, std::chrono::milliseconds kept,
                               WallTime now, std::int64_t most) {
  if (kept.count() <= 0) return 0;
  const std::string limit = to_text(now - kept);
  const std::int64_t last = last_to_go(db, table, limit, most);
  // A clock may have gone wrong for a while: what is young stays, wherever it stands.
  return last == 0 ? 0 : db.exec("DELETE FROM " + table + " WHERE id <= ? AND at < ?", last, limit);
}

std::int64_t prune_old_audit(Database& db, const Retention& retention, WallTime now, std::int64_t most) {
  if (retention.audit.count() <= 0) return 0;
  // Each prune leaves a row: not before there is something to say.
  constexpr std::chrono::hours batch{24};
  if (last_to_go(db, "audit", to_text(now - retention.audit - batch), 1) == 0) return 0;
  // Rows of one statement have one time: then all of them go together.
  auto st = db.query(
      "SELECT min(?1, coalesce(nullif((SELECT at FROM audit ORDER BY id LIMIT 1 OFFSET ?2), "
      "(SELECT at FROM audit ORDER BY id LIMIT 1)), (SELECT min(at) FROM audit WHERE at > "
      "(SELECT at FROM audit ORDER BY id LIMIT 1)), ?1))",
      to_text(now - retention.audit), most);
  st.step();
  return prune_audit(db, st.column<std::string>(0)).rows;
}

Garbage remove_old_events(Database& db, const Retention& retention, WallTime now, std::int64_t most) {
  // The triggers let pass what the daemon does.
  db.exec("UPDATE audit_context SET via = 'daemon'");
  return {.events = remove_old(db, "event", retention.events, now, most),
          .health_events = remove_old(db, "health_event", retention.events, now, most)};
}

}  // namespace arcus::registry
