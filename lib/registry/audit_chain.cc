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

constexpr int value_count = 11;              // all but the seal
constexpr std::size_t most_bytes = 8 << 20;  // in one go

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
std::string seal_of(std::string_view previous, const Statement& row, std::size_t* bytes = nullptr) {
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
  if (bytes != nullptr) *bytes += text.size();
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
  std::size_t bytes = 0;
  {
    auto rows =
        db.query("SELECT " + std::string{audit_columns} + " FROM audit WHERE id > ? ORDER BY id LIMIT ?",
                 chain->sealed_id, most);
    while (bytes < most_bytes && rows.step()) {
      chain->seal = seal_of(chain->seal, rows, &bytes);
      chain->sealed_id = rows.integer(0);
      seals.emplace_back(chain->sealed_id, chain->seal);
    }
  }
  if (seals.empty()) return 0;
  auto update = db.query("UPDATE audit SET seal = ? WHERE id = ?", std::string_view{}, 0);
  for (const auto& [id, seal] : seals) {
    update.rebind(seal, id);
    update.step();
  }
  db.exec("UPDATE audit_chain SET sealed_id = ?, seal = ?", chain->sealed_id, chain->seal);
  return std::ssize(seals);
}

namespace {

/// Walks over the rows, oldest first, and notes what does not fit.
class Walk {
 public:
  Walk(const Chain& chain, AuditCheck& out)
      : chain_(chain),
        out_(out),
        previous_id_(chain.pruned_id),
        seal_(chain.pruned_seal),
        sealed_id_(chain.pruned_id) {}

  void take(const Statement& row) {
    ++out_.rows;
    const std::int64_t id = row.integer(0);
    const std::string_view seal = row.text(value_count);
    const bool follows = id == previous_id_ + 1;
    previous_id_ = std::max(previous_id_, id);
    if (id <= chain_.pruned_id) {
      fault(id, "stands before the first row that was kept");
    } else if (seal.empty()) {
      if (id <= chain_.sealed_id)
        fault(id, "has no seal, though later rows have one: it was put there by hand, or lost its seal");
      else if (!follows)
        fault(id, "does not follow the row before it: rows were removed");
      else
        ++out_.unsealed;
    } else {
      if (seal == seal_of(seal_, row) && follows)
        ++out_.sealed;
      else
        fault(id, "does not fit its seal: it was changed, or rows before it were changed, moved or removed");
      seal_ = seal;
      sealed_id_ = id;
    }
  }

  void end(std::int64_t numbers_given) {
    if (sealed_id_ != chain_.sealed_id || seal_ != chain_.seal)
      fault(std::max(sealed_id_, chain_.sealed_id),
            "is not where the chain ends: rows were removed, added or moved");
    else if (numbers_given > previous_id_)
      fault(numbers_given, "is missing: the newest rows were removed");
  }

 private:
  void fault(std::int64_t id, std::string problem) {
    out_.faults.push_back({.id = id, .problem = std::move(problem)});
  }

  const Chain& chain_;
  AuditCheck& out_;
  std::int64_t previous_id_;
  std::string seal_;
  std::int64_t sealed_id_;
};

}  // namespace

AuditCheck check_audit(Database& db) {
  const Snapshot snapshot{db};
  AuditCheck out;
  const auto chain = read_chain(db);
  if (!chain) {
    out.faults.push_back(
        {.id = 0, .problem = "is missing: table audit_chain, which holds the ends, is empty"});
    return out;
  }
  out.pruned_to = chain->pruned_id;
  out.last_id = chain->sealed_id;
  out.last_seal = chain->seal;
  auto strangers = db.query(
      "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND name NOT GLOB 'audit_*' AND tbl_name IN "
      "('audit', 'audit_chain', 'audit_context')");
  while (strangers.step())
    out.faults.push_back({.id = 0,
                          .problem = "may never have been written: trigger '" +
                                     std::string{strangers.text(0)} + "' is none of ours"});
  Walk walk{*chain, out};
  auto rows = db.query("SELECT " + std::string{audit_columns} + " FROM audit ORDER BY id");
  while (rows.step()) walk.take(rows);
  auto given = db.query("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'audit'");
  given.step();
  walk.end(given.integer(0));
  return out;
}

/// Throws Error when a row up to `last_id` does not fit its seal.
static void require_sound(Database& db, const Chain& chain, std::int64_t last_id) {
  AuditCheck check;
  Walk walk{chain, check};
  auto rows =
      db.query("SELECT " + std::string{audit_columns} + " FROM audit WHERE id <= ? ORDER BY id", last_id);
  while (check.faults.empty() && rows.step()) walk.take(rows);
  if (check.faults.empty()) return;
  const AuditFault& fault = check.faults.front();
  throw Error(ErrorKind::conflict, "audit row " + std::to_string(fault.id) + " " + fault.problem)
      .with_hint("arcusctl audit verify; keep a copy first: arcusctl audit export -o jsonl");
}

AuditPrune prune_audit(Database& db, std::string_view before) {
  AuditPrune out;
  auto range = db.query(
      "SELECT count(*), coalesce(min(id), 0), coalesce(max(id), 0) FROM audit WHERE id < coalesce((SELECT "
      "min(id) FROM audit WHERE at >= ?1 OR coalesce(seal, '') = ''), ?2)",
      before, std::numeric_limits<std::int64_t>::max());
  range.step();
  std::tie(out.rows, out.first_id, out.last_id) = range.row<std::int64_t, std::int64_t, std::int64_t>();
  if (out.rows == 0) return out;
  const auto chain = read_chain(db);
  if (!chain)
    throw Error(ErrorKind::conflict, "table audit_chain is empty").with_hint("arcusctl audit verify");
  require_sound(db, *chain, out.last_id);
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
