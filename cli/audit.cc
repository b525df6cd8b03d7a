#include <nlohmann/json.hpp>

#include "cli/core/context.h"
#include "cli/core/rows.h"
#include "lib/base/time.h"
#include "lib/base/units.h"
#include "lib/db/database.h"
#include "lib/registry/audit_chain.h"
#include "lib/registry/history.h"

namespace arcus::cli {
namespace {

constexpr Column columns[] = {
    {"id", "ID", Show::table, Unit::count},
    {"at", "AT", Show::table, Unit::time},
    {"actor", "ACTOR"},
    {"via", "VIA", Show::table, Unit::text, 3},
    {"action", "ACTION"},
    {"object", "OBJECT"},
    {"reason", "REASON", Show::wide},
    {"change", "CHANGE", Show::table, Unit::prose, 1},
};
constexpr Column row_columns[] = {{"id"},
                                  {"at", {}, Show::table, Unit::time},
                                  {"before", {}, Show::table, Unit::json},
                                  {"after", {}, Show::table, Unit::json}};

constexpr Arg<std::chrono::milliseconds> since{"--since", "not older than this", {.metavar = "DUR"}};
constexpr Arg<std::string_view> actor{"--actor", "by this person"};
constexpr Arg<std::string_view> via{
    "--via", "by this way", {.choices = "cli|cli-sql|sql|daemon", .complete = Source::choices}};
constexpr Arg<std::string_view> action{"--action", "insert, update or delete of a table"};
constexpr Arg<std::string_view> object{"--object", "of this object; 'glob*'"};
constexpr Arg<std::int64_t> id{"ID", "number of the row", {.required = true, .min = 1}};
constexpr const ArgInfo* list_signature[] = {&since, &actor, &via, &action, &object};
constexpr const ArgInfo* show_signature[] = {&id};
constexpr const ArgInfo* export_signature[] = {&since};

int run_list(Context& context, const Args& args) {
  registry::AuditFilter filter{
      .actor = std::string{args[actor]},
      .via = std::string{args[via]},
      .action = std::string{args[action]},
      .object = std::string{args[object]},
      .limit = context.settings().output.sort.empty() ? context.settings().output.limit.value_or(0) : 0};
  if (args.has(since)) filter.since = to_text(wall_now() - args[since]);
  context.out().list(
      table_of(registry::list_changes(context.db(), filter), columns, context.out().machine()));
  return exit_code::ok;
}

int run_show(Context& context, const Args& args) {
  context.out().object(table_of(registry::audit_row(context.db(), args[id]), row_columns, true));
  return exit_code::ok;
}

namespace verify {
constexpr Column columns[] = {{"rows"},
                              {"sealed"},
                              {"unsealed"},
                              {"pruned_to"},
                              {"last_id"},
                              {"last_seal"},
                              {"faults", {}, Show::table, Unit::json}};
constexpr Example examples[] = {{"arcusctl audit verify", ""},
                                {"arcusctl audit verify -o field=/last_seal",
                                 "to keep elsewhere: who can write the file can seal it anew"}};
constexpr ExitNote exits[] = {
    {exit_code::failed, "a row was changed, removed or moved; each finding is a line"}};
constexpr std::string_view details =
    "A running daemon seals each row within a second: SHA-256 over the row and the seal before it. Rows "
    "that\n"
    "are newer than the last seal are counted as unsealed. With the last seal kept elsewhere, a chain that "
    "was\n"
    "made anew as a whole is found out too.";

int run(Context& context, const Args&) {
  const registry::AuditCheck check = registry::check_audit(context.db());
  if (context.out().machine()) {
    nlohmann::json faults = nlohmann::json::array();
    for (const auto& fault : check.faults) faults.push_back({{"id", fault.id}, {"problem", fault.problem}});
    Table table{columns};
    table.add(check.rows, check.sealed, check.unsealed, check.pruned_to, check.last_id, check.last_seal,
              JsonText{faults.dump()});
    context.out().object(table);
  } else {
    for (const auto& fault : check.faults)
      context.out().line("audit row " + std::to_string(fault.id) + " " + fault.problem);
    if (check.faults.empty())
      context.out().line("sound  " + count_text(check.sealed) + " rows sealed up to " +
                         std::to_string(check.last_id) + ", " + count_text(check.unsealed) +
                         " not yet sealed" + (check.last_seal.empty() ? "" : "  " + check.last_seal));
  }
  if (check.faults.empty()) return exit_code::ok;
  context.note(
      "hint: arcusctl audit show ID; a backup has the rows as they were: arcusctl audit list --db BACKUP");
  return exit_code::failed;
}
}  // namespace verify

namespace rows {
constexpr Column columns[] = {{"id", "ID", Show::table, Unit::count},
                              {"at", "AT", Show::table, Unit::time},
                              {"actor", "ACTOR"},
                              {"via", "VIA"},
                              {"action", "ACTION"},
                              {"tenant", "TENANT", Show::wide},
                              {"object", "OBJECT"},
                              {"object_id", "OBJECT_ID", Show::wide},
                              {"before", "BEFORE", Show::wide, Unit::json},
                              {"after", "AFTER", Show::wide, Unit::json},
                              {"reason", "REASON"},
                              {"seal", "SEAL", Show::wide}};
constexpr Example examples[] = {{"arcusctl audit export -o jsonl > audit.jsonl", "all of it, for elsewhere"},
                                {"arcusctl audit export --since 1d -o jsonl", "what is new, daily"}};

int run(Context& context, const Args& args) {
  const std::string from = args.has(since) ? to_text(wall_now() - args[since]) : "";
  context.out().list(table_of(registry::audit_rows(context.db(), from), columns, true));
  return exit_code::ok;
}
}  // namespace rows

namespace prune {
constexpr Arg<std::chrono::milliseconds> before{
    "--before", "older than this, for instance 400d", {.required = true, .metavar = "DUR"}};
constexpr const ArgInfo* signature[] = {&before};
constexpr Example examples[] = {
    {"arcusctl audit export -o jsonl > audit.jsonl && arcusctl audit prune --before 400d", ""}};
constexpr ExitNote exits[] = {{exit_code::conflict, "a row to be removed does not fit its seal"}};
constexpr std::string_view details =
    "Only sealed rows go, the oldest first; the chain begins at the last of them from then on. The removal "
    "is\n"
    "itself a row.";

int run(Context& context, const Args& args) {
  const std::string limit = to_text(wall_now() - args[before]);
  context.confirm_by_typing("remove the audit rows from before " + limit, "prune");
  registry::AuditPrune done;
  context.change([&](Database& db) { done = registry::prune_audit(db, limit); });
  if (done.rows == 0) {
    context.out().line("nothing   no sealed row is older than " + limit);
    return exit_code::ok;
  }
  context.out().line((context.dry_run() ? "would prune  " : "pruned    ") + count_text(done.rows) +
                     " rows, " + std::to_string(done.first_id) + " to " + std::to_string(done.last_id));
  return exit_code::ok;
}
}  // namespace prune

constexpr Example list_examples[] = {
    {"arcusctl audit list --since 1h", "who changed what"},
    {"arcusctl audit list --via sql -o jsonl", "by hand, in the sqlite3 shell"}};

constexpr Command commands[] = {
    {"list",
     "changes, newest last",
     list_signature,
     run_list,
     {.lists = true, .aliases = "ls", .examples = list_examples, .columns = columns}},
    {"show",
     "one change with all values before and after",
     show_signature,
     run_show,
     {.aliases = "get info"}},
    {"verify",
     "computes every seal again",
     {},
     verify::run,
     {.examples = verify::examples,
      .columns = verify::columns,
      .exits = verify::exits,
      .details = verify::details}},
    {"export",
     "every value of every row, oldest first",
     export_signature,
     rows::run,
     {.lists = true, .examples = rows::examples, .columns = rows::columns}},
    {"prune",
     "removes old rows",
     prune::signature,
     prune::run,
     {.mutating = true, .examples = prune::examples, .exits = prune::exits, .details = prune::details}},
};

}  // namespace

extern const Noun audit_noun;
constinit const Noun audit_noun{"audit", "who changed what, and how", Group::look, commands};

}  // namespace arcus::cli
