#include "lib/registry/tenants.h"

#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/registry/assign.h"

namespace arcus::registry {

static Tenant read_tenant(const Statement& st) {
  auto [id, name, description, enabled, max_servers, max_connections, per_client, requests, bandwidth, memory,
        group, threads, format, labels, generation, created, updated] =
      st.row<std::string, std::string, std::string, bool, std::int64_t, std::int64_t, std::int64_t,
             std::int64_t, std::int64_t, std::int64_t, std::optional<std::string>, std::int64_t, std::string,
             std::string, std::int64_t, std::string, std::string>();
  return {.id = std::move(id),
          .name = std::move(name),
          .description = std::move(description),
          .enabled = enabled,
          .max_servers = max_servers,
          .max_connections = max_connections,
          .max_connections_per_client = per_client,
          .requests_per_second = requests,
          .bandwidth_bytes_per_second = bandwidth,
          .memory_limit_bytes = memory,
          .worker_group = std::move(group),
          .worker_threads = threads,
          .access_log_format = std::move(format),
          .labels = std::move(labels),
          .generation = generation,
          .created_at = std::move(created),
          .updated_at = std::move(updated)};
}

/// All tenants, or the one of that name or id: a name that looks like an id wins over the id.
static Statement select_tenants(Database& db, std::optional<std::string_view> reference) {
  return db.query(
      "SELECT id, name, description, enabled, max_servers, max_connections, max_connections_per_client, "
      "requests_per_second, bandwidth_bytes_per_second, memory_limit_bytes, worker_group, "
      "worker_threads, access_log_format, labels, generation, created_at, updated_at FROM tenant "
      "WHERE ?1 IS NULL OR name = ?1 OR id = ?1 ORDER BY name IS ?1 DESC, name",
      reference);
}

static void check_name(std::string_view name) {
  if (!is_name(name))
    throw Error(
        ErrorKind::usage,
        "tenant.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit, not '" + std::string{name} + "'")
        .about(std::string{name});
}

static void check_free(Database& db, std::string_view name) {
  auto st = db.query("SELECT 1 FROM tenant WHERE name = ?", name);
  if (st.step())
    throw Error(ErrorKind::conflict, "there is already a tenant '" + std::string{name} + "'")
        .about(std::string{name})
        .with_hint("arcusctl tenant show " + std::string{name});
}

Tenant add_tenant(Database& db, const Tenant& tenant) {
  check_name(tenant.name);
  check_free(db, tenant.name);
  const std::string id = new_id();
  db.exec(
      "INSERT INTO tenant (id, name, description, enabled, max_servers, max_connections, "
      "max_connections_per_client, requests_per_second, bandwidth_bytes_per_second, memory_limit_bytes, "
      "worker_group, worker_threads, access_log_format, labels) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id, tenant.name, tenant.description, tenant.enabled, tenant.max_servers, tenant.max_connections,
      tenant.max_connections_per_client, tenant.requests_per_second, tenant.bandwidth_bytes_per_second,
      tenant.memory_limit_bytes, tenant.worker_group, tenant.worker_threads, tenant.access_log_format,
      tenant.labels);
  return get_tenant(db, id);
}

std::optional<Tenant> find_tenant(Database& db, std::string_view reference) {
  auto st = select_tenants(db, reference);
  if (!st.step()) return std::nullopt;
  return read_tenant(st);
}

Tenant get_tenant(Database& db, std::string_view reference) {
  if (auto tenant = find_tenant(db, reference)) return *std::move(tenant);
  std::vector<std::string> names;
  for (const Tenant& tenant : list_tenants(db)) names.push_back(tenant.name);
  throw Error(ErrorKind::not_found, "no tenant '" + std::string{reference} + "'")
      .about(std::string{reference})
      .suggest(nearest_word(reference, names).value_or(""))
      .with_hint("arcusctl tenant list");
}

std::vector<Tenant> list_tenants(Database& db) {
  std::vector<Tenant> out;
  auto st = select_tenants(db, std::nullopt);
  while (st.step()) out.push_back(read_tenant(st));
  return out;
}

Tenant set_tenant(Database& db, std::string_view id, const std::vector<Assignment>& assignments) {
  assign(db, tenant_assign_table(), id, assignments);
  return get_tenant(db, id);
}

void rename_tenant(Database& db, std::string_view id, std::string_view name) {
  check_name(name);
  if (get_tenant(db, id).name == name) return;
  check_free(db, name);
  db.exec("UPDATE tenant SET name = ? WHERE id = ?", name, id);
}

void remove_tenant(Database& db, std::string_view id) {
  const Tenant tenant = get_tenant(db, id);
  auto st = db.query("SELECT count(*) FROM server WHERE tenant_id = ?", tenant.id);
  st.step();
  if (const auto servers = st.column<std::int64_t>(0); servers > 0)
    throw Error(ErrorKind::conflict, "tenant '" + tenant.name + "' still has " + std::to_string(servers) +
                                         (servers == 1 ? " server" : " servers"))
        .about(tenant.name)
        .with_hint("arcusctl tenant remove " + tenant.name + " --with-servers");
  db.exec("DELETE FROM tenant WHERE id = ?", tenant.id);
}

}  // namespace arcus::registry
