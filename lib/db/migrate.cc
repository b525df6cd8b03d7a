#include "lib/db/migrate.h"

#include <cstdio>

#include "lib/base/error.h"
#include "lib/db/backup.h"
#include "lib/db/transaction.h"

namespace arcus {

namespace {

constexpr std::string_view version_key = "schema_version";
constexpr std::string_view hash_key = "schema_hash";

/// FNV-1a: tells one text from another, nothing more.
std::string hash_of(const Schema& schema) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::string_view text : {schema.triggers, schema.views})
    for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
  return digits;
}

bool has_table(Database& db, std::string_view name) {
  auto found = db.query("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", name);
  return found.step();
}

std::string setting(Database& db, std::string_view key) {
  if (!has_table(db, "setting")) return {};
  auto found = db.query("SELECT value FROM setting WHERE key = ?", key);
  return found.step() ? std::string{found.text(0)} : std::string{};
}

void put_setting(Database& db, std::string_view key, std::string_view value) {
  if (!has_table(db, "setting")) return;
  db.exec(
      "INSERT INTO setting (key, value) VALUES (?, ?)"
      " ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value",
      key, value);
}

bool is_marked(Database& db) {
  auto mark = db.query("PRAGMA application_id");
  return mark.step() && mark.integer(0) == registry_application_id;
}

void drop_triggers_and_views(Database& db) {
  std::vector<std::string> drops;
  auto objects = db.query(
      "SELECT type, name FROM sqlite_schema"
      " WHERE type IN ('trigger', 'view') AND name NOT LIKE 'x\\_%' ESCAPE '\\' ORDER BY type, name");
  while (objects.step())
    drops.push_back(
        std::string{objects.text(0) == "view" ? "DROP VIEW IF EXISTS " : "DROP TRIGGER IF EXISTS "} +
        quote_name(objects.text(1)));
  for (const std::string& drop : drops) db.script(drop);
}

void make_triggers_and_views(Database& db, const Schema& schema) {
  // Before the triggers: these two rows are no one's change.
  put_setting(db, hash_key, hash_of(schema));
  put_setting(db, version_key, std::to_string(schema.version()));
  db.script(schema.views);
  db.script(schema.triggers);
}

/// Foreign keys off for a scope: SQLite ignores the switch inside a transaction, and a step may rebuild
/// tables.
class ForeignKeysOff {
 public:
  explicit ForeignKeysOff(Database& db) : db_(db) { db_.script("PRAGMA foreign_keys = OFF"); }
  ~ForeignKeysOff() {
    try {
      db_.script("PRAGMA foreign_keys = ON");
    } catch (const Error&) {
      // Only a broken connection refuses, and that one refuses everything else too.
    }
  }
  ForeignKeysOff(const ForeignKeysOff&) = delete;
  ForeignKeysOff& operator=(const ForeignKeysOff&) = delete;

 private:
  Database& db_;
};

void refuse_unsound(Database& db, int version) {
  const auto findings = check_integrity(db, CheckDepth::full);
  if (findings.empty()) return;
  throw Error{ErrorKind::registry,
              "schema " + std::to_string(version) + " cannot be applied: the rows are not sound"}
      .with_details(findings)
      .with_hint("arcusctl db check --db " + db.path().string());
}

std::string keep_copy(Database& db, int version) {
  std::filesystem::path copy = db.path();
  copy += ".v" + std::to_string(version) + ".bak";
  backup(db, copy, true);
  return copy.string();
}

/// All steps the file lacks, in the transaction of the caller.
void apply_steps(Database& db, std::string_view program, const Schema& schema, int found) {
  for (const Migration& step : schema.steps) {
    if (step.version <= found) continue;
    db.script(step.sql);
    if (has_table(db, "schema_migration"))
      db.exec("INSERT INTO schema_migration (version, name, program) VALUES (?, ?, ?)", step.version,
              step.name, program);
  }
}

bool is_current(Database& db, const Schema& schema) {
  const Snapshot one_state{db};
  return is_marked(db) && db.schema_version() == schema.version() && setting(db, hash_key) == hash_of(schema);
}

}  // namespace

MigrationResult migrate(Database& db, std::string_view version, const Schema& schema) {
  MigrationResult result{.from = db.schema_version(), .to = schema.version()};
  if (is_current(db, schema)) return result;
  if (db.mode() == OpenMode::read_only) return {.from = result.from, .to = result.from};
  if (const auto holder = db.lock_file().run_holder(); holder && holder->version != version) {
    if (result.from == schema.version() && is_marked(db)) return result;
    throw Error{ErrorKind::conflict, "'" + db.path().string() + "' needs schema " +
                                         std::to_string(schema.version()) + ", but a daemon of version '" +
                                         holder->version + "' runs (pid " + std::to_string(holder->pid) + ")"}
        .with_hint("arcusctl daemon stop");
  }

  const WriterLock lock{db.lock_file(), db.busy_timeout()};
  const ForeignKeysOff keys_off{db};
  // SQLite copies no file inside a write transaction; the lock above keeps our own writers out meanwhile.
  result.from = db.schema_version();
  if (result.from > 0 && result.from < schema.version()) result.backup = keep_copy(db, result.from);
  Transaction transaction{db};
  // Another command may have been first.
  result.from = db.schema_version();
  if (is_current(db, schema)) return result;
  if (result.from > schema.version())
    throw Error{ErrorKind::registry, "'" + db.path().string() + "' was made by a newer arcusctl: schema " +
                                         std::to_string(result.from)};
  result.adopted = result.from > 0 && !is_marked(db);
  drop_triggers_and_views(db);
  apply_steps(db, version, schema, result.from);
  db.script("PRAGMA application_id = " + std::to_string(registry_application_id));
  db.script("PRAGMA user_version = " + std::to_string(schema.version()));
  make_triggers_and_views(db, schema);
  result.rebuilt_views = true;
  if (result.from < schema.version()) refuse_unsound(db, schema.version());
  transaction.commit();
  return result;
}

void rebuild_triggers_and_views(Database& db, const Schema& schema) {
  Transaction transaction{db};
  drop_triggers_and_views(db);
  make_triggers_and_views(db, schema);
  transaction.commit();
}

}  // namespace arcus
