#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/db/database.h"

namespace arcus::registry {

/// One value as SQLite has it.
using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

/// Rows of a view with their column names.
struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;

  /// The index of a column, or npos.
  std::size_t column(std::string_view name) const;
};

/// Everything `statement` still gives.
Rows read_rows(Statement& statement);

/// Rows of server_full: all, or those of `server_ids` in that order.
Rows servers_full(Database& db);
Rows servers_full(Database& db, const std::vector<std::string>& server_ids);
/// Rows of tenant_full: all, or one.
Rows tenants_full(Database& db, std::string_view tenant_id = {});
/// Rows of a people's view (servers, tenants, backends, rules, health, problems, changes, events, settings,
/// registry, traffic). Throws Error (usage) for another name.
Rows people_view(Database& db, std::string_view view);

}  // namespace arcus::registry
