#include "cli/core/context.h"
#include "cli/core/rows.h"
#include "lib/base/time.h"
#include "lib/db/database.h"
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
};

}  // namespace

extern const Noun audit_noun;
constinit const Noun audit_noun{"audit", "who changed what, and how", Group::look, commands};

}  // namespace arcus::cli
