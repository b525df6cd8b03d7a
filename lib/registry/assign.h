#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/columns.h"

namespace arcus::registry {

/// A table whose rows people set.
struct AssignTable {
  std::string_view table;
  std::string_view what;  ///< for messages: "server"
  std::span<const Column> columns;
};

AssignTable tenant_assign_table() noexcept;
AssignTable server_assign_table() noexcept;
AssignTable backend_assign_table() noexcept;

/// Sets columns of one row in one UPDATE, so that one change is one audit row and one generation; values that
/// are there already are left out. Keys: the columns, `labels.KEY`, `config.KEY`, and for servers `listen`.
/// An assignment without a value restores the schema's default. Throws one Error (usage) with every problem
/// in its details.
void assign(Database& db, const AssignTable& table, std::string_view id,
            std::span<const Assignment> assignments);

}  // namespace arcus::registry
