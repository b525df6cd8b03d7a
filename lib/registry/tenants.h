#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/columns.h"

namespace arcus::registry {

/// A row of `tenant`. 0 in a limit = unlimited.
struct Tenant {
  std::string id;
  std::string name;
  std::string description;
  bool enabled = true;
  std::int64_t max_servers = 0;
  std::int64_t max_connections = 0;
  std::int64_t max_connections_per_client = 0;
  std::int64_t requests_per_second = 0;
  std::int64_t bandwidth_bytes_per_second = 0;
  std::int64_t memory_limit_bytes = 0;
  std::optional<std::string> worker_group;  ///< nothing: the tenant's own
  std::int64_t worker_threads = 0;          ///< 0 = automatic
  std::string access_log_format = "squid";
  std::string labels = "{}";
  std::int64_t generation = 1;
  std::string created_at;
  std::string updated_at;

  /// The name of the worker that serves it.
  std::string group() const { return worker_group ? "group:" + *worker_group : "tenant:" + id; }
};

/// Adds a tenant (id, generation and times of `tenant` are ignored); returns the row made. Throws Error:
/// usage for a bad name, conflict for a taken one.
Tenant add_tenant(Database& db, const Tenant& tenant);

/// By name or whole id.
std::optional<Tenant> find_tenant(Database& db, std::string_view reference);
/// As find_tenant. Throws Error (not_found) with the nearest name.
Tenant get_tenant(Database& db, std::string_view reference);
/// By name.
std::vector<Tenant> list_tenants(Database& db);

/// Applies all assignments or throws. Returns the row as it is now.
Tenant set_tenant(Database& db, std::string_view id, const std::vector<Assignment>& assignments);
void rename_tenant(Database& db, std::string_view id, std::string_view name);
/// Throws Error (conflict) while it has servers.
void remove_tenant(Database& db, std::string_view id);

}  // namespace arcus::registry
