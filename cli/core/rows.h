#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/core/output.h"
#include "lib/registry/view.h"

namespace arcus::cli {

class Context;

/// `rows` as a table.  `columns` says how known columns read, and in which order they stand on the screen;
/// columns it does not name are Show::full.  With `machine` the order is that of the rows.
Table table_of(const registry::Rows& rows, std::span<const Column> columns, bool machine);

/// The cell for one value of a row; `unit` makes 0 and 1 a boolean, or text JSON.
Cell cell_of(const registry::Value& value, Unit unit = Unit::text);

/// The value of `column` in row `row`; nothing when there is no such column.
const registry::Value& value_at(const registry::Rows& rows, std::size_t row, std::string_view column);
std::string text_at(const registry::Rows& rows, std::size_t row, std::string_view column);
std::int64_t number_at(const registry::Rows& rows, std::size_t row, std::string_view column);

/// Keeps the rows whose column `server` is what `reference` names; without one, those of the tenant in scope.
void keep_server(Context& context, registry::Rows& rows, std::string_view reference);
/// With -t: only the rows whose column `tenant` names that one.
void keep_tenant(Context& context, registry::Rows& rows);

/// Gives column `key` of the table a text for the screen: `412/1000` for connections under a limit.
void show_share(Table& table, std::string_view key, std::string_view limit_key);

}  // namespace arcus::cli
