#include "lib/registry/view.h"

#include <algorithm>
#include <array>

#include "lib/base/error.h"

namespace arcus::registry {

std::size_t Rows::column(std::string_view name) const {
  const auto found = std::ranges::find(columns, name);
  return found == columns.end() ? std::string::npos : static_cast<std::size_t>(found - columns.begin());
}

static Value read_value(const Statement& st, int index) {
  switch (st.type(index)) {
    case ColumnType::null:
      return std::monostate{};
    case ColumnType::integer:
      return st.integer(index);
    case ColumnType::real:
      return st.real(index);
    case ColumnType::text:
    case ColumnType::blob:
      break;
  }
  return std::string{st.text(index)};
}

Rows read_rows(Statement& st) {
  Rows out;
  for (int i = 0; i < st.column_count(); ++i) out.columns.emplace_back(st.name(i));
  while (st.step()) {
    std::vector<Value>& row = out.rows.emplace_back();
    for (int i = 0; i < st.column_count(); ++i) row.push_back(read_value(st, i));
  }
  return out;
}

Rows servers_full(Database& db) {
  auto st = db.query("SELECT * FROM server_full ORDER BY tenant, name");
  return read_rows(st);
}

Rows servers_full(Database& db, const std::vector<std::string>& server_ids) {
  // One id: a keyed look-up. Several: one pass over the view is cheaper than a query each.
  if (server_ids.size() == 1) {
    auto st = db.query("SELECT * FROM server_full WHERE id = ?", server_ids[0]);
    return read_rows(st);
  }
  Rows all = servers_full(db);
  const std::size_t id = all.column("id");
  Rows out{.columns = all.columns, .rows = {}};
  for (const std::string& wanted : server_ids)
    for (std::vector<Value>& row : all.rows)
      if (!row.empty() && std::get<std::string>(row[id]) == wanted) {
        out.rows.push_back(std::move(row));
        row.clear();
        break;
      }
  return out;
}

Rows tenants_full(Database& db, std::string_view tenant_id) {
  auto st = db.query("SELECT * FROM tenant_full WHERE ?1 = '' OR id = ?1 ORDER BY name", tenant_id);
  return read_rows(st);
}

namespace {
struct NamedQuery {
  std::string_view view;
  std::string_view sql;
};
}  // namespace

static constexpr std::array<NamedQuery, 14> people{{
    {"backends", "SELECT * FROM backends ORDER BY server, backend"},
    {"certs", "SELECT * FROM certs"},
    {"changes", "SELECT * FROM changes ORDER BY id"},
    {"events", "SELECT * FROM events ORDER BY id"},
    {"health", "SELECT * FROM health ORDER BY server"},
    {"problems", "SELECT * FROM problems"},
    {"registry", "SELECT * FROM registry"},
    {"routes", "SELECT * FROM routes"},
    {"rules", "SELECT * FROM rules"},
    {"servers", "SELECT * FROM servers ORDER BY tenant, name"},
    {"settings", "SELECT * FROM settings"},
    {"tenants", "SELECT * FROM tenants ORDER BY tenant"},
    {"traffic", "SELECT * FROM traffic"},
    {"users", "SELECT * FROM users"},
}};
static_assert(std::ranges::is_sorted(people, {}, &NamedQuery::view));

Rows people_view(Database& db, std::string_view view) {
  for (const NamedQuery& row : people) {
    if (row.view != view) continue;
    auto st = db.query(row.sql);
    return read_rows(st);
  }
  throw Error(ErrorKind::usage, "no view '" + std::string{view} + "'");
}

}  // namespace arcus::registry
