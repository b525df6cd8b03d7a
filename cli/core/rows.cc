#include "cli/core/rows.h"

#include <algorithm>

#include "cli/core/context.h"
#include "cli/core/targets.h"

namespace arcus::cli {

namespace {

struct ToCell {
  Unit unit;

  Cell operator()(std::monostate) const { return {}; }
  Cell operator()(std::int64_t number) const { return unit == Unit::flag ? Cell{number != 0} : Cell{number}; }
  Cell operator()(double number) const { return number; }
  Cell operator()(const std::string& text) const {
    return unit == Unit::json ? Cell{JsonText{text}} : Cell{text};
  }
};

/// Where each column of the table stands in the rows.
std::vector<std::size_t> order_of(const registry::Rows& rows, std::span<const Column> columns, bool machine) {
  std::vector<std::size_t> order;
  if (!machine)
    for (const Column& column : columns)
      if (const std::size_t at = rows.column(column.key); at < rows.columns.size()) order.push_back(at);
  for (std::size_t i = 0; i < rows.columns.size(); ++i)
    if (std::ranges::find(order, i) == order.end()) order.push_back(i);
  return order;
}

}  // namespace

Cell cell_of(const registry::Value& value, Unit unit) { return std::visit(ToCell{unit}, value); }

Table table_of(const registry::Rows& rows, std::span<const Column> columns, bool machine) {
  const std::vector<std::size_t> order = order_of(rows, columns, machine);
  Table table;
  for (const std::size_t at : order) {
    const auto known = std::ranges::find(columns, rows.columns[at], &Column::key);
    if (known != columns.end())
      table.add_column(*known);
    else
      table.add_column({.key = rows.columns[at], .show = Show::full});
  }
  for (const auto& row : rows.rows) {
    std::vector<Cell> cells;
    cells.reserve(order.size());
    for (std::size_t i = 0; i < order.size(); ++i)
      cells.push_back(cell_of(row[order[i]], table.columns()[i].unit));
    table.add_row(std::move(cells));
  }
  return table;
}

const registry::Value& value_at(const registry::Rows& rows, std::size_t row, std::string_view column) {
  static const registry::Value nothing;
  const std::size_t at = rows.column(column);
  return at < rows.columns.size() ? rows.rows[row][at] : nothing;
}

std::string text_at(const registry::Rows& rows, std::size_t row, std::string_view column) {
  return plain_text(cell_of(value_at(rows, row, column)));
}

std::int64_t number_at(const registry::Rows& rows, std::size_t row, std::string_view column) {
  const auto* number = std::get_if<std::int64_t>(&value_at(rows, row, column));
  return number == nullptr ? 0 : *number;
}

void show_share(Table& table, std::string_view key, std::string_view limit_key) {
  const auto part = find_column(table, key);
  const auto limit = find_column(table, limit_key);
  if (!part || !limit) return;
  for (auto& row : table.rows()) {
    const std::string most = plain_text(row[*limit]);
    if (most != "0" && !most.empty()) row[*part].shown = plain_text(row[*part]) + "/" + most;
  }
}

void keep_server(Context& context, registry::Rows& rows, std::string_view reference) {
  const std::size_t at = rows.column("server");
  const std::string wanted = reference.empty() ? std::string{} : find_target(context, reference).reference();
  const std::string scope = std::string{context.tenant()} + "/";
  std::erase_if(rows.rows, [&](const auto& row) {
    const std::string& name = std::get<std::string>(row[at]);
    return wanted.empty() ? !context.tenant().empty() && !name.starts_with(scope) : name != wanted;
  });
}

void keep_tenant(Context& context, registry::Rows& rows) {
  if (context.tenant().empty()) return;
  const std::string name = find_tenant_target(context).name;
  const std::size_t tenant = rows.column("tenant");
  std::erase_if(rows.rows, [&](const auto& row) { return std::get<std::string>(row[tenant]) != name; });
}

}  // namespace arcus::cli
