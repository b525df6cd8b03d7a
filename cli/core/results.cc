#include "cli/core/results.h"

#include <algorithm>
#include <map>

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

static std::string name_of(const Outcome& outcome) {
  return outcome.tenant.empty() ? outcome.name : outcome.tenant + "/" + outcome.name;
}

static std::vector<std::string> names_of(const auto& all, const auto& name) {
  std::vector<std::string> names;
  for (const auto& one : all) names.push_back(name(one));
  return names;
}

Report::Report(Context& context, const std::vector<std::string>& names)
    : context_{context}, count_{names.size()} {
  for (const std::string& name : names) width_ = std::max(width_, name.size());
}

Report::Report(Context& context, const std::vector<registry::Server>& servers)
    : Report{context, names_of(servers, [](const registry::Server& one) { return one.reference(); })} {}

bool Report::is_streaming() const {
  const OutputOptions& options = context_.out().options();
  if (!context_.out().machine()) return count_ > 1 && options.width == 0;
  const bool is_array = options.format == Format::json && !options.quiet && options.line_format.empty();
  return !is_array;
}

/// Whether the rows would only bury what failed: cli.md, "Interactive niceties".
bool Report::is_summed(const std::vector<Outcome>& all) const {
  return count_ > 1 && !context_.out().machine() && context_.out().options().width > 0 &&
         std::ranges::any_of(all, [](const Outcome& one) { return one.took >= long_operation; });
}

void Report::print_rows(const std::vector<Outcome>& rows) {
  const bool machine = context_.out().machine();
  Table table = machine ? Table{machine_columns} : Table{screen_columns};
  for (const Outcome& row : rows) {
    if (!printed_.insert(row.id).second) continue;
    if (machine)
      table.add(row.id, row.tenant, row.name, row.action, row.code == exit_code::ok, row.status,
                row.error.empty() ? Cell{} : Cell{row.error}, row.hint.empty() ? Cell{} : Cell{row.hint},
                row.took.count());
    else
      table.add(name_of(row), row.action, row.status, row.took.count());
  }
  if (!is_streaming()) return context_.out().list(table);
  // Wide enough for the words that are still to come.
  const std::size_t least[] = {std::max<std::size_t>(width_, 6), 7, 8, 6};
  const bool is_first = printed_.size() == table.rows().size();
  context_.out().more(table, is_first, machine ? std::span<const std::size_t>{} : least);
}

void Report::ended(const std::vector<Outcome>& some) {
  if (!is_streaming()) return;
  print_rows(some);
  context_.out().flush();
}

/// `stop: 198 stopped, 2 error, 1.4s`
void Report::print_sums(const std::vector<Outcome>& all) {
  std::map<std::string_view, std::size_t> counts;
  std::chrono::milliseconds took{0};
  for (const Outcome& one : all) {
    ++counts[one.status];
    took = std::max(took, one.took);
  }
  std::string text = all.front().action + ":";
  for (const auto& [status, count] : counts)
    text += " " + std::to_string(count) + " " + context_.out().paint(status_colour(status), status) + ",";
  context_.out().line(text + " " + screen_text(took.count(), Unit::ms, TimeStyle::iso));
}

int Report::finish(const std::vector<Outcome>& all) {
  const bool is_one = count_ == 1 && all.size() == 1 && !context_.out().machine();
  if (is_one)
    context_.out().line(name_of(all[0]) + "  " +
                        context_.out().paint(status_colour(all[0].status), all[0].status));
  else if (is_summed(all))
    print_sums(all);
  else if (printed_.size() < all.size() || all.empty())
    print_rows(all);
  context_.out().flush();
  for (const Outcome& outcome : all) {
    if (outcome.error.empty()) continue;
    const std::string name = name_of(outcome);
    const auto kind =
        outcome.code == exit_code::ok ? ErrorKind::failed : static_cast<ErrorKind>(outcome.code);
    print_error(Error{kind, name + " " + outcome.error}.about(name).with_hint(outcome.hint),
                context_.out().json(), context_.settings().color_err);
  }
  return code_of(all);
}

int report(Context& context, const std::vector<Outcome>& outcomes) {
  return Report{context, names_of(outcomes, name_of)}.finish(outcomes);
}

}  // namespace arcus::cli
