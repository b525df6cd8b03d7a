#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/db/database.h"

namespace arcus::registry {

/// Registry statistics of the document, and the sums behind them.
struct RegistryStats {
  std::int64_t total_servers = 0, running_servers = 0, stopped_servers = 0, error_servers = 0,
               total_tenants = 0;
  std::int64_t total_connections = 0, active_connections = 0, refused_connections = 0, total_requests = 0;
  std::int64_t total_bytes_transferred = 0, bytes_in = 0, bytes_out = 0, error_count = 0;
  std::optional<double> avg_response_time_ms;
  std::int64_t rss_bytes = 0, cpu_ms = 0, open_fds = 0;  ///< daemon and workers together
};
RegistryStats registry_stats(Database& db);

/// Tenant statistics of the document (tenant_full has the rest). Removed servers' totals are included.
struct TenantStats {
  std::string tenant;
  std::int64_t total_servers = 0, running_servers = 0, stopped_servers = 0, error_servers = 0;
  std::int64_t total_connections = 0, active_connections = 0, refused_connections = 0, total_requests = 0;
  std::int64_t total_bytes_transferred = 0, bytes_in = 0, bytes_out = 0, error_count = 0;
  std::optional<double> avg_response_time_ms;
};
TenantStats tenant_stats(Database& db, std::string_view tenant_id);

/// Server statistics of the document, with percentiles from the histogram and the count per reason.
struct ServerStats {
  std::int64_t total_connections = 0, active_connections = 0, peak_connections = 0, refused_connections = 0;
  std::int64_t total_requests = 0, total_bytes_transferred = 0, bytes_in = 0, bytes_out = 0, error_count = 0;
  std::optional<double> avg_response_time_ms, p50_ms, p95_ms, p99_ms;
  std::vector<std::pair<std::string, std::int64_t>> reasons;
};
ServerStats server_stats(Database& db, std::string_view server_id);

}  // namespace arcus::registry
