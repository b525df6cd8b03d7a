#include "lib/registry/stats.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "lib/base/error.h"

namespace arcus::registry {

RegistryStats registry_stats(Database& db) {
  RegistryStats s;
  auto totals = db.query(
      "SELECT total_servers, running_servers, stopped_servers, error_servers, total_tenants FROM registry");
  totals.step();
  std::tie(s.total_servers, s.running_servers, s.stopped_servers, s.error_servers, s.total_tenants) =
      totals.row<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t>();
  auto sums = db.query(
      "SELECT sum(total_connections), sum(active_connections), sum(refused_connections), "
      "sum(total_requests), sum(bytes_in), "
      "sum(bytes_out), sum(error_count) FROM tenant_full");
  sums.step();
  std::tie(s.total_connections, s.active_connections, s.refused_connections, s.total_requests, s.bytes_in,
           s.bytes_out, s.error_count) = sums.row<std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                                                  std::int64_t, std::int64_t, std::int64_t>();
  s.total_bytes_transferred = s.bytes_in + s.bytes_out;
  auto mean = db.query(
      "SELECT sum(t) / 1000.0 / nullif(sum(n), 0) FROM (SELECT sum(response_time_sum_us) AS t, "
      "sum(response_time_count) AS n "
      "FROM server_counter UNION ALL SELECT sum(response_time_sum_us), sum(response_time_count) FROM "
      "tenant_counter)");
  mean.step();
  s.avg_response_time_ms = mean.column<std::optional<double>>(0);
  auto resources = db.query(
      "SELECT coalesce(sum(rss_bytes), 0), coalesce(sum(cpu_ms), 0), coalesce(sum(open_fds), 0) FROM (SELECT "
      "rss_bytes, "
      "cpu_ms, open_fds FROM daemon UNION ALL SELECT rss_bytes, cpu_ms, open_fds FROM worker), daemon_alive "
      "WHERE alive");
  resources.step();
  std::tie(s.rss_bytes, s.cpu_ms, s.open_fds) = resources.row<std::int64_t, std::int64_t, std::int64_t>();
  return s;
}

TenantStats tenant_stats(Database& db, std::string_view tenant_id) {
  auto st = db.query(
      "SELECT name, total_servers, running_servers, stopped_servers, error_servers, total_connections, "
      "active_connections, "
      "refused_connections, total_requests, total_bytes_transferred, bytes_in, bytes_out, error_count, "
      "avg_response_time_ms "
      "FROM tenant_full WHERE id = ?",
      tenant_id);
  if (!st.step()) throw Error(ErrorKind::not_found, "no tenant of id '" + std::string{tenant_id} + "'");
  TenantStats s;
  std::tie(s.tenant, s.total_servers, s.running_servers, s.stopped_servers, s.error_servers,
           s.total_connections, s.active_connections, s.refused_connections, s.total_requests,
           s.total_bytes_transferred, s.bytes_in, s.bytes_out, s.error_count, s.avg_response_time_ms) =
      st.row<std::string, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
             std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
             std::optional<double>>();
  return s;
}

/// Upper bound of a histogram bucket in milliseconds: two buckets per doubling from 32 us (the workers'
/// counter file).
static double bucket_limit_ms(std::size_t bucket) {
  return 0.032 * std::pow(2.0, static_cast<double>(bucket) / 2.0);
}

/// The value that `share` of all counted response times do not exceed, interpolated inside its bucket.
static std::optional<double> percentile(const std::vector<double>& buckets, double share) {
  double total = 0;
  for (const double count : buckets) total += count;
  if (total == 0) return std::nullopt;
  const double wanted = total * share;
  double below = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (buckets[i] > 0 && below + buckets[i] >= wanted) {
      const double low = i == 0 ? 0 : bucket_limit_ms(i - 1);
      return low + (bucket_limit_ms(i) - low) * ((wanted - below) / buckets[i]);
    }
    below += buckets[i];
  }
  return bucket_limit_ms(buckets.size() - 1);
}

static std::vector<double> read_histogram(Database& db, std::string_view server_id) {
  std::vector<double> sums;
  auto st = db.query("SELECT histogram FROM server_counter WHERE server_id = ?", server_id);
  while (st.step()) {
    const auto array = nlohmann::json::parse(st.column<std::string>(0), nullptr, false);
    if (!array.is_array()) continue;
    if (sums.size() < array.size()) sums.resize(array.size());
    for (std::size_t i = 0; i < array.size(); ++i)
      if (array[i].is_number()) sums[i] += array[i].get<double>();
  }
  return sums;
}

ServerStats server_stats(Database& db, std::string_view server_id) {
  auto st = db.query(
      "SELECT total_connections, active_connections, peak_connections, refused_connections, total_requests, "
      "total_bytes_transferred, bytes_in, bytes_out, error_count, avg_response_time_ms FROM server_full "
      "WHERE id = ?",
      server_id);
  if (!st.step()) throw Error(ErrorKind::not_found, "no server of id '" + std::string{server_id} + "'");
  ServerStats s;
  std::tie(s.total_connections, s.active_connections, s.peak_connections, s.refused_connections,
           s.total_requests, s.total_bytes_transferred, s.bytes_in, s.bytes_out, s.error_count,
           s.avg_response_time_ms) =
      st.row<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
             std::int64_t, std::int64_t, std::optional<double>>();
  const auto histogram = read_histogram(db, server_id);
  s.p50_ms = percentile(histogram, 0.50);
  s.p95_ms = percentile(histogram, 0.95);
  s.p99_ms = percentile(histogram, 0.99);
  auto reasons = db.query(
      "SELECT reason, sum(count) FROM server_reason WHERE server_id = ? GROUP BY reason ORDER BY sum(count) "
      "DESC, reason",
      server_id);
  while (reasons.step()) {
    auto [reason, count] = reasons.row<std::string, std::int64_t>();
    s.reasons.emplace_back(std::move(reason), count);
  }
  return s;
}

}  // namespace arcus::registry
