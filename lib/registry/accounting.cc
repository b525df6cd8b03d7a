#include "lib/registry/accounting.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "lib/base/time.h"
#include "lib/registry/tallies.h"

namespace arcus::registry {

void add_incarnation(Database& db, const Incarnation& row) {
  db.exec(
      "INSERT INTO worker_incarnation (incarnation, worker_group, counter_path, started_at) VALUES (?, ?, ?, "
      "?)",
      row.incarnation, row.worker_group, row.counter_path,
      row.started_at.empty() ? now_text() : row.started_at);
}

std::vector<Incarnation> list_incarnations(Database& db) {
  std::vector<Incarnation> out;
  auto st = db.query(
      "SELECT incarnation, worker_group, counter_path, started_at, folded FROM worker_incarnation ORDER BY "
      "started_at");
  while (st.step()) {
    auto [incarnation, group, path, started, folded] =
        st.row<std::string, std::string, std::string, std::string, bool>();
    out.push_back({std::move(incarnation), std::move(group), std::move(path), std::move(started), folded});
  }
  return out;
}

void remove_incarnation(Database& db, std::string_view incarnation) {
  db.exec("DELETE FROM worker_incarnation WHERE incarnation = ? AND folded = 1", incarnation);
}

/// The tenant that a server's counts belong to: as known so far, else from the registry. "" when nobody
/// knows.
static std::string owner_of(Database& db, const ServerCounts& counts) {
  if (!counts.tenant_id.empty()) return counts.tenant_id;
  auto st = db.query(
      "SELECT tenant_id FROM server_counter WHERE server_id = ?1 UNION ALL SELECT tenant_id FROM server "
      "WHERE id = ?1 LIMIT 1",
      counts.server_id);
  return st.step() ? st.column<std::string>(0) : std::string{};
}

static void put_row(Database& db, std::string_view incarnation, const ServerCounts& c, std::string_view now) {
  const auto n = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  db.exec(
      "INSERT INTO server_counter (server_id, incarnation, tenant_id, total_connections, closed_connections, "
      "refused_connections, peak_connections, total_requests, bytes_in, bytes_out, error_count, "
      "response_time_sum_us, "
      "response_time_count, dropped_records, histogram) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (server_id, incarnation) DO UPDATE SET total_connections = excluded.total_connections, "
      "closed_connections = excluded.closed_connections, refused_connections = excluded.refused_connections, "
      "peak_connections = excluded.peak_connections, total_requests = excluded.total_requests, bytes_in = "
      "excluded.bytes_in, "
      "bytes_out = excluded.bytes_out, error_count = excluded.error_count, "
      "response_time_sum_us = excluded.response_time_sum_us, response_time_count = "
      "excluded.response_time_count, "
      "dropped_records = excluded.dropped_records, histogram = excluded.histogram",
      c.server_id, incarnation, owner_of(db, c), n(c.total_connections), n(c.closed_connections),
      n(c.refused_connections), n(c.peak_connections), n(c.total_requests), n(c.bytes_in), n(c.bytes_out),
      n(c.error_count), n(c.response_time_sum_us), n(c.response_time_count), n(c.dropped_records),
      nlohmann::json(c.histogram).dump());
  for (const auto& [reason, count] : c.reasons)
    db.exec(
        "INSERT INTO server_reason (server_id, incarnation, reason, count, last_at) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (server_id, incarnation, reason) DO UPDATE SET count = excluded.count, "
        "last_at = iif(excluded.count > count, excluded.last_at, last_at)",
        c.server_id, incarnation, reason, n(count), now);
}

bool is_live(Database& db, std::string_view incarnation) {
  return db.query("SELECT 1 FROM worker_incarnation WHERE incarnation = ? AND folded = 0", incarnation)
      .step();
}

void put_counts(Database& db, std::string_view incarnation, const std::vector<ServerCounts>& counts) {
  if (!is_live(db, incarnation)) return;
  const std::string now = now_text();
  for (const ServerCounts& row : counts) put_row(db, incarnation, row, now);
}

static std::vector<std::uint64_t> parse_histogram(const std::string& text) {
  const auto array = nlohmann::json::parse(text, nullptr, false);
  std::vector<std::uint64_t> out;
  if (array.is_array())
    for (const auto& item : array) out.push_back(item.is_number_unsigned() ? item.get<std::uint64_t>() : 0);
  return out;
}

/// The histogram of incarnation '' with that of `incarnation` added.
static std::string merged_histogram(Database& db, std::string_view server_id, std::string_view incarnation) {
  std::vector<std::uint64_t> sum;
  auto st = db.query("SELECT histogram FROM server_counter WHERE server_id = ? AND incarnation IN ('', ?)",
                     server_id, incarnation);
  while (st.step()) {
    const auto part = parse_histogram(st.column<std::string>(0));
    if (sum.size() < part.size()) sum.resize(part.size());
    for (std::size_t i = 0; i < part.size(); ++i) sum[i] += part[i];
  }
  return nlohmann::json(sum).dump();
}

static void fold_server(Database& db, std::string_view server_id, std::string_view incarnation) {
  const std::string histogram = merged_histogram(db, server_id, incarnation);
  db.exec(
      "INSERT INTO server_counter (server_id, incarnation, tenant_id, total_connections, closed_connections, "
      "refused_connections, peak_connections, total_requests, bytes_in, bytes_out, error_count, "
      "response_time_sum_us, "
      "response_time_count, dropped_records, histogram) SELECT server_id, '', tenant_id, total_connections, "
      "total_connections, "
      "refused_connections, peak_connections, total_requests, bytes_in, bytes_out, error_count, "
      "response_time_sum_us, "
      "response_time_count, dropped_records, ?3 FROM server_counter WHERE server_id = ?1 AND incarnation = "
      "?2 "
      "ON CONFLICT (server_id, incarnation) DO UPDATE SET "
      "total_connections = total_connections + excluded.total_connections, "
      "closed_connections = closed_connections + excluded.closed_connections, "
      "refused_connections = refused_connections + excluded.refused_connections, "
      "peak_connections = max(peak_connections, excluded.peak_connections), "
      "total_requests = total_requests + excluded.total_requests, bytes_in = bytes_in + excluded.bytes_in, "
      "bytes_out = bytes_out + excluded.bytes_out, error_count = error_count + excluded.error_count, "
      "response_time_sum_us = response_time_sum_us + excluded.response_time_sum_us, "
      "response_time_count = response_time_count + excluded.response_time_count, "
      "dropped_records = dropped_records + excluded.dropped_records, histogram = excluded.histogram",
      server_id, incarnation, histogram);
  db.exec(
      "INSERT INTO server_reason (server_id, incarnation, reason, count, last_at) "
      "SELECT server_id, '', reason, count, last_at FROM server_reason WHERE server_id = ?1 AND incarnation "
      "= ?2 ON CONFLICT (server_id, incarnation, reason) DO UPDATE SET count = count + excluded.count, "
      "last_at = nullif(max(coalesce(last_at, ''), coalesce(excluded.last_at, '')), '')",
      server_id, incarnation);
  db.exec("DELETE FROM server_reason WHERE server_id = ? AND incarnation = ?", server_id, incarnation);
  db.exec("DELETE FROM server_counter WHERE server_id = ? AND incarnation = ?", server_id, incarnation);
}

/// Moves what removed servers counted to their tenant, once nobody counts for them any more.
static void retire_removed_servers(Database& db) {
  db.exec(
      "INSERT INTO tenant_counter (tenant_id, removed_servers, total_connections, refused_connections, "
      "total_requests, "
      "bytes_in, bytes_out, error_count, response_time_sum_us, response_time_count) "
      "SELECT tenant_id, count(*), sum(total_connections), sum(refused_connections), sum(total_requests), "
      "sum(bytes_in), "
      "sum(bytes_out), sum(error_count), sum(response_time_sum_us), sum(response_time_count) FROM "
      "server_counter c "
      "WHERE incarnation = '' AND NOT EXISTS (SELECT 1 FROM server WHERE id = c.server_id) AND NOT EXISTS "
      "(SELECT 1 FROM "
      "server_counter l WHERE l.server_id = c.server_id AND l.incarnation <> '') GROUP BY tenant_id "
      "ON CONFLICT (tenant_id) DO UPDATE SET removed_servers = removed_servers + excluded.removed_servers, "
      "total_connections = total_connections + excluded.total_connections, "
      "refused_connections = refused_connections + excluded.refused_connections, "
      "total_requests = total_requests + excluded.total_requests, bytes_in = bytes_in + excluded.bytes_in, "
      "bytes_out = bytes_out + excluded.bytes_out, error_count = error_count + excluded.error_count, "
      "response_time_sum_us = response_time_sum_us + excluded.response_time_sum_us, "
      "response_time_count = response_time_count + excluded.response_time_count");
  db.exec(
      "DELETE FROM server_reason WHERE incarnation = '' AND NOT EXISTS (SELECT 1 FROM server WHERE id = "
      "server_id) AND NOT "
      "EXISTS (SELECT 1 FROM server_counter l WHERE l.server_id = server_reason.server_id AND l.incarnation "
      "<> '')");
  db.exec(
      "DELETE FROM server_counter WHERE incarnation = '' AND NOT EXISTS (SELECT 1 FROM server WHERE id = "
      "server_id) AND NOT "
      "EXISTS (SELECT 1 FROM server_counter l WHERE l.server_id = server_counter.server_id AND l.incarnation "
      "<> '')");
}

void fold_incarnation(Database& db, std::string_view incarnation) {
  if (db.exec("UPDATE worker_incarnation SET folded = 1 WHERE incarnation = ? AND folded = 0", incarnation) ==
      0)
    return;
  std::vector<std::string> servers;
  auto st = db.query("SELECT server_id FROM server_counter WHERE incarnation = ?", incarnation);
  while (st.step()) servers.push_back(st.column<std::string>(0));
  for (const std::string& server : servers) fold_server(db, server, incarnation);
  fold_tallies(db, incarnation);
  retire_removed_servers(db);
}

void put_rates(Database& db, const std::vector<ServerRate>& rates) {
  for (const ServerRate& rate : rates)
    db.exec(
        "INSERT INTO server_rate (server_id, at, requests, bytes) SELECT id, strftime('%Y-%m-%dT%H:%M:%fZ', "
        "'now'), ?, ? FROM "
        "server WHERE id = ? ON CONFLICT (server_id) DO UPDATE SET at = excluded.at, requests = "
        "excluded.requests, "
        "bytes = excluded.bytes",
        rate.requests, rate.bytes, rate.server_id);
}

}  // namespace arcus::registry
