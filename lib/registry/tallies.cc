#include "lib/registry/tallies.h"

#include "lib/registry/accounting.h"

namespace arcus::registry {

static void put_row(Database& db, std::string_view incarnation, const TallyCounts& row) {
  const auto n = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  db.exec(
      "INSERT INTO tally (kind, item_id, incarnation, uses, ended, failures, bytes_in, bytes_out, last_at) "
      "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, nullif(?9, '') WHERE CASE ?1 "
      "WHEN 'acl' THEN EXISTS (SELECT 1 FROM acl WHERE id = ?2) "
      "WHEN 'backend' THEN EXISTS (SELECT 1 FROM backend WHERE id = ?2) "
      "WHEN 'user' THEN EXISTS (SELECT 1 FROM user WHERE id = ?2) END "
      "ON CONFLICT (item_id, kind, incarnation) DO UPDATE SET uses = excluded.uses, ended = excluded.ended, "
      "failures = excluded.failures, bytes_in = excluded.bytes_in, bytes_out = excluded.bytes_out, "
      "last_at = excluded.last_at",
      row.kind, row.id, incarnation, n(row.uses), n(row.ended), n(row.failures), n(row.bytes_in),
      n(row.bytes_out), row.last_at);
}

void put_tallies(Database& db, std::string_view incarnation, const std::vector<TallyCounts>& counts) {
  if (counts.empty() || !is_live(db, incarnation)) return;
  for (const TallyCounts& row : counts) put_row(db, incarnation, row);
}

void fold_tallies(Database& db, std::string_view incarnation) {
  db.exec(
      "INSERT INTO tally (kind, item_id, incarnation, uses, ended, failures, bytes_in, bytes_out, last_at) "
      "SELECT kind, item_id, '', uses, uses, failures, bytes_in, bytes_out, last_at FROM tally "
      "WHERE incarnation = ?1 "
      "ON CONFLICT (item_id, kind, incarnation) DO UPDATE SET uses = uses + excluded.uses, "
      "ended = ended + excluded.ended, failures = failures + excluded.failures, "
      "bytes_in = bytes_in + excluded.bytes_in, bytes_out = bytes_out + excluded.bytes_out, "
      "last_at = nullif(max(coalesce(last_at, ''), coalesce(excluded.last_at, '')), '')",
      incarnation);
  db.exec("DELETE FROM tally WHERE incarnation = ?", incarnation);
  db.exec(
      "DELETE FROM tally WHERE NOT CASE kind WHEN 'acl' THEN EXISTS (SELECT 1 FROM acl WHERE id = item_id) "
      "WHEN 'backend' THEN EXISTS (SELECT 1 FROM backend WHERE id = item_id) "
      "ELSE EXISTS (SELECT 1 FROM user WHERE id = item_id) END");
}

}  // namespace arcus::registry
