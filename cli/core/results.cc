#include "cli/core/results.h"

#include <algorithm>
#include <iostream>

#include "cli/core/context.h"
#include "cli/core/errors.h"

namespace arcus::cli {

static constexpr Column machine_columns[] = {
    {"id"}, {"tenant"}, {"name"}, {"action"}, {"ok"}, {"status"}, {"error"}, {"hint"}, {"ms"},
};
static constexpr Column screen_columns[] = {
    {"server", "SERVER"},
    {"action", "ACTION"},
    {"result", "RESULT", Show::table, Unit::status},
    {"ms", "TIME", Show::table, Unit::ms},
};

static int code_of(const std::vector<Outcome>& outcomes) {
  int shared = exit_code::ok;
  std::size_t failures = 0;
  for (const Outcome& outcome : outcomes) {
    if (outcome.code == exit_code::ok) continue;
    if (failures++ > 0 && outcome.code != shared) return exit_code::partial;
    shared = outcome.code;
  }
  return failures > 0 && failures < outcomes.size() ? exit_code::partial : shared;
}

static void print_rows(Context& context, const std::vector<Outcome>& outcomes) {
  if (context.out().machine()) {
    Table table{machine_columns};
    for (const Outcome& row : outcomes)
      table.add(row.id, row.tenant, row.name, row.action, row.code == exit_code::ok, row.status,
                row.error.empty() ? Cell{} : Cell{row.error}, row.hint.empty() ? Cell{} : Cell{row.hint},
                row.took.count());
    return context.out().list(table);
  }
  Table table{screen_columns};
  for (const Outcome& row : outcomes)
    table.add(row.tenant.empty() ? row.name : row.tenant + "/" + row.name, row.action, row.status,
              row.took.count());
  context.out().list(table);
}

int report(Context& context, const std::vector<Outcome>& outcomes) {
  if (outcomes.size() == 1 && !context.out().machine()) {
    const Outcome& only = outcomes[0];
    const std::string name = only.tenant.empty() ? only.name : only.tenant + "/" + only.name;
    context.out().line(name + "  " + context.out().paint(status_colour(only.status), only.status));
  } else {
    print_rows(context, outcomes);
  }
  context.out().flush();
  for (const Outcome& outcome : outcomes) {
    if (outcome.error.empty()) continue;
    const std::string name = outcome.tenant.empty() ? outcome.name : outcome.tenant + "/" + outcome.name;
    const auto kind =
        outcome.code == exit_code::ok ? ErrorKind::failed : static_cast<ErrorKind>(outcome.code);
    print_error(Error{kind, name + " " + outcome.error}.about(name).with_hint(outcome.hint),
                context.out().json(), context.settings().color_err);
  }
  return code_of(outcomes);
}

}  // namespace arcus::cli
