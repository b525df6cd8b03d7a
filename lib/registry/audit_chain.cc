#include "lib/registry/audit_chain.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "lib/base/error.h"
#include "lib/crypto/sha256.h"
#include "lib/db/transaction.h"

namespace arcus::registry {

namespace {

constexpr std::string_view row_columns =
    "id, at, actor, via, action, tenant, object, object_id, before, after, reason, seal";
constexpr int value_count = 11;  // all but the seal

struct Chain {
  std::int64_t pruned_id = 0;
  std::string pruned_seal;
  std::int64_t sealed_id = 0;
  std::string seal;
};

std::optional<Chain> read_chain(Database& db) {
  auto st = db.query("SELECT pruned_id, pruned_seal, sealed_id, seal FROM audit_chain");
  if (!st.step()) return std::nullopt;
  return Chain{.pruned_id = st.integer(0),
               .pruned_seal = std::string{st.text(1)},
               .sealed_id = st.integer(2),
               .seal = std::string{st.text(3)}};
}

/// Every value with its length in front, so that no byte can move from one to the next unseen.
std::string seal_of(std::string_view previous, const Statement& row) {
  std::string text{previous};
  for (int i = 0; i < value_count; ++i) {
    if (row.type(i) == ColumnType::null) {
      text += '-';
      continue;
    }
    const std::string_view value = row.text(i);
    text += std::to_string(value.size());
    text += ':';
    text += value;
  }
  return sha256_hex(text);
}

}  // namespace

bool has_unsealed_audit(Database& db) {
  auto st = db.query("SELECT EXISTS (SELECT 1 FROM audit WHERE id > (SELECT sealed_id FROM audit_chain))");
  return st.step() && st.integer(0) != 0;
}

std::int64_t seal_audit(Database& db, std::int64_t most) {
  auto chain = read_chain(db);
  if (!chain) return 0;
  std::vector<std::pair<std::int64_t, std::string>> seals;
  auto rows = db.query("SELECT " + std::string{row_columns} + " FROM audit WHERE id > ? ORDER BY id LIMIT ?",
                       chain->sealed_id, most);
  while (rows.step()) {
    chain->seal = seal_of(chain->seal, rows);
    chain->sealed_id = rows.integer(0);
    seals.emplace_back(chain->sealed_id, chain->seal);
  }
  for (const auto& [id, seal] : seals) db.exec("UPDATE audit SET seal = ? WHERE id = ?", seal, id);
  if (!seals.empty())
    db.exec("UPDATE audit_chain SET sealed_id = ?, seal = ?", chain->sealed_id, chain->seal);
  return std::ssize(seals);
}

AuditCheck check_audit(Database& db) {
  const Snapshot snapshot{db};
  AuditCheck out;
  const auto fault = [&out](std::int64_t id, std::string problem) {
    out.faults.push_back({.id = id, .problem = std::move(problem)});
  };
  const auto chain = read_chain(db);
  if (!chain) {
    fault(0, "the ends of the chain are gone: table audit_chain is empty");
    return out;
  }
  out.pruned_to = chain->pruned_id;
  std::string previous = chain->pruned_seal;
  std::int64_t last = chain->pruned_id;
  auto rows = db.query("SELECT " + std::string{row_columns} + " FROM audit ORDER BY id");
  while (rows.step()) {
    ++out.rows;
    const std::int64_t id = rows.integer(0);
    const std::string_view seal = rows.text(value_count);
    if (id <= chain->pruned_id) {
      fault(id, "stands before the first row that was kept");
    } else if (seal.empty() && id > chain->sealed_id) {
      ++out.unsealed;
    } else if (seal.empty()) {
      fault(id, "has no seal, though later rows have one: it was put there by hand, or its seal was removed");
    } else {
      if (seal == seal_of(previous, rows))
        ++out.sealed;
      else
        fault(id,
              "does not fit its seal: it was changed, or the rows before it were changed, moved or removed");
      previous = seal;
      last = id;
    }
  }
  if (last != chain->sealed_id || previous != chain->seal)
    fault(std::max(last, chain->sealed_id),
          "the chain does not end where it was sealed to: rows were removed, added or moved");
  out.last_id = chain->sealed_id;
  out.last_seal = chain->seal;
  return out;
}

AuditPrune prune_audit(Database& db, std::string_view before) {
  AuditPrune out;
  auto range = db.query(
      "SELECT count(*), coalesce(min(id), 0), coalesce(max(id), 0) FROM audit WHERE id < coalesce((SELECT "
      "min(id) FROM audit WHERE at >= ?1 OR seal IS NULL), ?2)",
      before, std::numeric_limits<std::int64_t>::max());
  range.step();
  std::tie(out.rows, out.first_id, out.last_id) = range.row<std::int64_t, std::int64_t, std::int64_t>();
  if (out.rows == 0) return out;
  const AuditCheck check = check_audit(db);
  for (const AuditFault& fault : check.faults) {
    if (fault.id > out.last_id) break;
    throw Error(ErrorKind::conflict, "audit row " + std::to_string(fault.id) + " " + fault.problem)
        .with_hint("arcusctl audit verify; keep a copy first: arcusctl audit export -o jsonl");
  }
  // The triggers let pass what the daemon does; the row that tells of it keeps the name of who asked.
  db.exec(
      "INSERT INTO audit (actor, via, action, object, object_id, before, reason) SELECT actor, via, "
      "'audit.prune', 'audit', 'audit', ?, reason FROM audit_context",
      nlohmann::json{{"first_id", out.first_id}, {"last_id", out.last_id}, {"rows", out.rows}}.dump());
  db.exec("UPDATE audit_context SET via = 'daemon'");
  db.exec("UPDATE audit_chain SET pruned_id = ?1, pruned_seal = (SELECT seal FROM audit WHERE id = ?1)",
          out.last_id);
  db.exec("DELETE FROM audit WHERE id <= ?", out.last_id);
  return out;
}

}  // namespace arcus::registry
