#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "cli/core/context.h"
#include "lib/base/error.h"
#include "lib/base/units.h"
#include "lib/db/backup.h"
#include "lib/db/checkpoint.h"
#include "lib/db/migrate.h"
#include "lib/registry/catalog.h"

namespace arcus::cli {
namespace {

std::int64_t number(Database& db, std::string_view sql) {
  auto st = db.query(sql);
  return st.step() ? st.integer(0) : 0;
}

std::int64_t size_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_size : 0;
}

namespace path {
int run(Context& context, const Args&) {
  context.out().line(context.db_path());
  return exit_code::ok;
}
}  // namespace path

namespace info {
constexpr Column columns[] = {{"path"},
                              {"schema_version"},
                              {"program_schema"},
                              {"file_bytes", "", Show::table, Unit::bytes},
                              {"wal_bytes", "", Show::table, Unit::bytes},
                              {"page_size"},
                              {"pages"},
                              {"free_pages"},
                              {"journal_mode"},
                              {"mode"},
                              {"tenants"},
                              {"servers"},
                              {"audit_rows"},
                              {"daemon_pid"},
                              {"daemon_version"}};

std::string mode_text(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return "";
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04o", status.st_mode & 07777u);
  return text.data();
}

int run(Context& context, const Args&) {
  Database& db = context.db();
  const std::string file = db.path().string();
  const auto holder = find_run_holder(db.path());
  Table table{columns};
  table.add(file, db.schema_version(), Schema{}.version(), size_of(file), wal_size(db.path()),
            number(db, "PRAGMA page_size"), number(db, "PRAGMA page_count"),
            number(db, "PRAGMA freelist_count"), db.has_wal() ? "wal" : "delete", mode_text(file),
            number(db, "SELECT count(*) FROM tenant"), number(db, "SELECT count(*) FROM server"),
            number(db, "SELECT count(*) FROM audit"), holder ? Cell{holder->pid} : Cell{},
            holder ? Cell{holder->version} : Cell{});
  context.out().object(table);
  return exit_code::ok;
}
}  // namespace info

namespace check {
constexpr Example examples[] = {{"arcusctl db check", ""}, {"arcusctl db check --db copy.db", "a backup"}};
constexpr ExitNote exits[] = {
    {exit_code::failed, "something is wrong with the file; each finding is a line"}};
constexpr Column columns[] = {{"finding"}};
constexpr std::string_view details =
    "Every page, every reference, and the schema: tables, indexes, triggers and views must be those of this\n"
    "program. Objects named x_... are yours and not looked at.";

int run(Context& context, const Args&) {
  Database& db = context.db();
  std::vector<std::string> findings = check_integrity(db, CheckDepth::full);
  if (db.schema_version() == Schema{}.version()) {
    const auto differences = schema_differences(db);
    findings.insert(findings.end(), differences.begin(), differences.end());
  }
  if (context.out().machine()) {
    Table table{columns};
    for (const std::string& finding : findings) table.add(finding);
    context.out().list(table);
  } else {
    for (const std::string& finding : findings) context.out().line(finding);
    if (findings.empty())
      context.out().line("sound  " + db.path().string() + "  schema " + std::to_string(db.schema_version()) +
                         ", " + count_text(number(db, "PRAGMA page_count")) + " pages");
  }
  if (findings.empty()) return exit_code::ok;
  context.note("hint: arcusctl doctor --fix restores triggers and views; arcusctl db restore takes a backup");
  return exit_code::failed;
}
}  // namespace check

namespace backup {
constexpr Arg<std::string_view> file{"FILE", "where to", {.required = true, .complete = Source::file}};
constexpr Arg<bool> force{"--force", "overwrite FILE"};
constexpr const ArgInfo* signature[] = {&file, &force};
constexpr Example examples[] = {{"arcusctl db backup /backup/arcus-$(date +%F).db", "while everything runs"}};
constexpr ExitNote exits[] = {{exit_code::conflict, "FILE exists"}};

int run(Context& context, const Args& args) {
  const std::string target{args[file]};
  const BackupResult result = arcus::backup(context.db(), target, args[force]);
  context.out().line(target + "  " + size_text(result.bytes));
  return exit_code::ok;
}
}  // namespace backup

namespace restore {
constexpr Arg<std::string_view> file{"FILE", "a backup", {.required = true, .complete = Source::file}};
constexpr const ArgInfo* signature[] = {&file};
constexpr Example examples[] = {{"arcusctl daemon stop && arcusctl db restore /backup/arcus.db", ""}};
constexpr ExitNote exits[] = {{exit_code::conflict, "a daemon runs"}};

int run(Context& context, const Args& args) {
  const std::string& path = context.db_path();
  if (context.daemon_runs())
    throw Error{ErrorKind::conflict, "a daemon runs on '" + path + "'"}.with_hint("arcusctl daemon stop");
  context.confirm_by_typing("replace everything in '" + path + "' by '" + std::string{args[file]} + "'",
                            "restore");
  const RestoreResult result = arcus::restore(path, std::string{args[file]}, Schema{}.version());
  context.out().line("restored  " + path + "  schema " + std::to_string(result.schema_version));
  if (!result.previous.empty()) context.out().line("kept      " + result.previous);
  return exit_code::ok;
}
}  // namespace restore

namespace migrate {
constexpr std::string_view details =
    "Commands that write do this by themselves; an older file is first copied to FILE.v<N>.bak. A file made "
    "by\n"
    "`sqlite3 old.db .dump | sqlite3 new.db` has lost its mark and is taken in only here.";
constexpr Example examples[] = {{"arcusctl db migrate --db new.db", "take in a file made from a dump"}};

int run(Context& context, const Args&) {
  Database db{context.db_path(), OpenMode::read_write, {.allow_unmarked = true}};
  const MigrationResult result = arcus::migrate(db, ARCUS_VERSION);
  registry::prepare_registry(db, context.catalog());
  std::string line = "schema " + std::to_string(result.from);
  if (result.to != result.from) line += " -> " + std::to_string(result.to);
  if (result.adopted) line += ", taken in";
  if (!result.backup.empty()) line += ", copy in " + result.backup;
  if (result.to == result.from && !result.adopted) line += ", nothing to do";
  context.out().line(line);
  return exit_code::ok;
}
}  // namespace migrate

namespace vacuum {
int run(Context& context, const Args&) {
  Database db{context.db_path(), OpenMode::read_write};
  const std::int64_t before = size_of(db.path()) + wal_size(db.path());
  arcus::vacuum(db);
  context.out().line(size_text(before) + " -> " + size_text(size_of(db.path()) + wal_size(db.path())));
  return exit_code::ok;
}
}  // namespace vacuum

namespace schema {
constexpr Arg<std::vector<std::string_view>> names{"NAME", "only these tables, views, triggers"};
constexpr const ArgInfo* signature[] = {&names};
constexpr Example examples[] = {{"arcusctl db schema server", ""}, {"arcusctl db schema | less", ""}};

int run(Context& context, const Args& args) {
  Database& db = context.db();
  const auto wanted = args[names];
  std::size_t printed = 0;
  auto st = db.query(
      "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
      " ORDER BY CASE type WHEN 'table' THEN 1 WHEN 'index' THEN 2 WHEN 'view' THEN 3 ELSE 4 END, name");
  while (st.step()) {
    const bool named = wanted.empty() || std::ranges::find(wanted, st.text(0)) != wanted.end();
    if (!named) continue;
    context.out().line(std::string{st.text(1)} + ";");
    ++printed;
  }
  if (printed > 0) return exit_code::ok;
  throw Error{ErrorKind::not_found, "no table, view or trigger '" + std::string{wanted.front()} + "'"};
}
}  // namespace schema

namespace shell {
constexpr Arg<bool> read_only{"--read-only", "look, but change nothing"};
constexpr const ArgInfo* signature[] = {&read_only};
constexpr Example examples[] = {
    {"arcusctl db shell", ""},
    {"echo \"UPDATE servers SET desired='stopped' WHERE name='web';\" | arcusctl db shell", "from a script"},
};
constexpr std::string_view details =
    "The sqlite3 shell with what a registry in use needs: a busy timeout, foreign keys, no checkpoints of "
    "its\n"
    "own. Changes are live at once and audited as (sql).";

/// The settings print what they were set to; nobody asked.
constexpr const char* set_up[] = {".timeout 5000",
                                  ".output /dev/null",
                                  "PRAGMA foreign_keys = ON;",
                                  "PRAGMA wal_autocheckpoint = 0;",
                                  ".filectrl persist_wal 1",
                                  ".dbconfig no_ckpt_on_close on",
                                  ".output"};
constexpr const char* for_people[] = {".prompt 'arcus> ' '   ...> '", ".mode box"};

int run(Context& context, const Args& args) {
  const std::string path = context.db().path().string();  // opened: it is a registry of ours
  std::vector<std::string> words{"sqlite3"};
  const bool interactive = ::isatty(STDIN_FILENO) == 1;
  for (const char* line : set_up) words.insert(words.end(), {"-cmd", line});
  if (interactive)
    for (const char* line : for_people) words.insert(words.end(), {"-cmd", line});
  if (args[read_only]) words.emplace_back("-readonly");
  words.push_back(path);
  if (interactive) context.note("SELECT * FROM help;  explains the file");
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  context.out().flush();
  ::execvp("sqlite3", arguments.data());
  if (errno == ENOENT)
    throw Error{ErrorKind::failed, "the sqlite3 shell is not installed"}.with_hint("apt-get install sqlite3");
  throw system_error("cannot start sqlite3", errno);
}
}  // namespace shell

constexpr Command commands[] = {
    {"path", "where the registry is", {}, path::run, {.needs_db = false}},
    {"info", "size, schema, who runs it", {}, info::run, {.columns = info::columns}},
    {"check",
     "look for damage, orphans and missing triggers",
     {},
     check::run,
     {.examples = check::examples,
      .columns = check::columns,
      .exits = check::exits,
      .details = check::details}},
    {"backup",
     "copy it while everything runs",
     backup::signature,
     backup::run,
     {.examples = backup::examples, .exits = backup::exits}},
    {"restore",
     "put a backup in its place",
     restore::signature,
     restore::run,
     {.examples = restore::examples, .exits = restore::exits}},
    {"migrate",
     "bring it to this program's schema",
     {},
     migrate::run,
     {.examples = migrate::examples, .details = migrate::details}},
    {"vacuum", "give back unused space", {}, vacuum::run},
    {"shell",
     "the sqlite3 shell on it",
     shell::signature,
     shell::run,
     {.examples = shell::examples, .details = shell::details}},
    {"schema",
     "its tables, views and triggers as SQL",
     schema::signature,
     schema::run,
     {.examples = schema::examples}},
};

}  // namespace

extern const Noun db_noun;
constinit const Noun db_noun{"db", "the registry file: back up, check, shell", Group::file, commands};

}  // namespace arcus::cli
