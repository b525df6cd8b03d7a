#include <unistd.h>

#include <iostream>
#include <iterator>

#include "cli/core/context.h"
#include "cli/core/globals.h"
#include "cli/core/rows.h"
#include "lib/base/error.h"
#include "lib/db/authorizer.h"
#include "lib/db/checkpoint.h"
#include "lib/registry/catalog.h"
#include "lib/registry/mutation.h"
#include "lib/registry/view.h"

namespace arcus::cli {
namespace {

constexpr Arg<std::string_view> statement{"SQL", "one statement; without it, or with -, standard input"};
constexpr Arg<bool> write{"--write", "allow changes; audited as cli-sql"};
constexpr const ArgInfo* signature[] = {&statement, &write, &global::reason};
constexpr Example examples[] = {
    {"arcusctl sql \"SELECT tenant, name, conns FROM servers\"", "any view or table"},
    {"arcusctl sql \"SELECT tenant, sum(requests) FROM servers GROUP BY 1\" -o tsv", "for programs"},
    {"arcusctl sql --write \"UPDATE servers SET desired='stopped' WHERE tenant='acme'\"",
     "audited, live at once"},
};
constexpr std::string_view details =
    "Reads only, unless --write is given. Views for people: servers, tenants, backends, rules, health, "
    "traffic,\n"
    "problems, changes, events, settings, registry; `SELECT * FROM help` explains the file.";

std::string read_statement(const Args& args) {
  const std::string_view given = args[statement];
  if (!given.empty() && given != "-") return std::string{given};
  if (given.empty() && ::isatty(STDIN_FILENO) == 1)
    throw Error{ErrorKind::usage, "no SQL statement"}.with_hint("arcusctl sql \"SELECT * FROM servers\"");
  return {std::istreambuf_iterator<char>{std::cin}, {}};
}

void print_rows(Context& context, Statement& st) {
  const registry::Rows rows = registry::read_rows(st);
  Table table;
  for (const std::string& name : rows.columns) table.add_column(name);
  for (const auto& row : rows.rows) {
    std::vector<Cell> cells;
    cells.reserve(row.size());
    for (const registry::Value& value : row) cells.push_back(cell_of(value));
    table.add_row(std::move(cells));
  }
  context.out().list(table);
}

bool changes_something(Database& db, const std::string& sql) { return !db.query(sql).is_read_only(); }

int run_reading(Context& context, const std::string& sql) {
  Database& db = context.db();
  if (changes_something(db, sql))
    throw Error{ErrorKind::usage, "this statement changes the registry"}.with_hint(
        "--write allows changes of rows; arcusctl db shell allows everything");
  const ReadingOnly guard{db};
  auto st = db.query(sql);
  print_rows(context, st);
  return exit_code::ok;
}

int run_writing(Context& context, const std::string& sql) {
  Database db{context.db_path(), OpenMode::read_write};
  registry::prepare_registry(db, context.catalog());
  registry::Mutation mutation{db, {registry::login_name(), "cli-sql", context.settings().reason}};
  std::optional<std::int64_t> changed;
  {
    const RowsOnly guard{db};
    auto st = db.query(sql);
    if (st.column_count() > 0)
      print_rows(context, st);
    else
      changed = db.exec(sql);
  }
  mutation.commit();
  if (changed) context.note(std::to_string(*changed) + (*changed == 1 ? " row" : " rows") + " changed");
  context.wake();
  checkpoint_after_command(db);
  return exit_code::ok;
}

int run(Context& context, const Args& args) {
  const std::string sql = read_statement(args);
  return args[write] ? run_writing(context, sql) : run_reading(context, sql);
}

constexpr Command commands[] = {
    {"",
     "ask the registry in SQL",
     signature,
     run,
     {.lists = true, .examples = examples, .details = details}},
};

}  // namespace

extern const Noun sql_noun;
constinit const Noun sql_noun{"sql", "ask the registry in SQL", Group::file, commands};

}  // namespace arcus::cli
