#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/db/database.h"

/// Totals that survive: see the schema's comment on server_counter. All writes run inside a Mutation with
/// `via` "daemon".
namespace arcus::registry {

/// One life of a worker's counter file.
struct Incarnation {
  std::string incarnation;
  std::string worker_group;
  std::string counter_path;
  std::string started_at;
  bool folded = false;
};
void add_incarnation(Database& db, const Incarnation& row);
std::vector<Incarnation> list_incarnations(Database& db);
/// Known, and not folded.
bool is_live(Database& db, std::string_view incarnation);
/// After the file of a folded incarnation is unlinked.
void remove_incarnation(Database& db, std::string_view incarnation);

/// Absolute counts of one server in one incarnation.
struct ServerCounts {
  std::string server_id;
  std::string tenant_id;
  std::uint64_t total_connections = 0;
  std::uint64_t closed_connections = 0;
  std::uint64_t refused_connections = 0;
  std::uint64_t peak_connections = 0;
  std::uint64_t total_requests = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t error_count = 0;
  std::uint64_t response_time_sum_us = 0;
  std::uint64_t response_time_count = 0;
  std::uint64_t dropped_records = 0;
  std::vector<std::uint64_t> histogram;                        ///< wire::histogram_buckets of them
  std::vector<std::pair<std::string, std::uint64_t>> reasons;  ///< by name, zero counts left out
};

/// Upserts the counts; idempotent. `tenant_id` empty: kept from the existing row, else from table server.
/// Writes nothing for an incarnation that is folded or unknown: its counts are in the sums already.
void put_counts(Database& db, std::string_view incarnation, const std::vector<ServerCounts>& counts);

/// Adds an incarnation's rows to incarnation '' and marks it folded, in the caller's transaction; does
/// nothing when it is folded already. Then moves the sums of servers that no longer exist and that no live
/// incarnation counts for to tenant_counter.
void fold_incarnation(Database& db, std::string_view incarnation);

/// Requests and bytes per second of one server since the last flush.
struct ServerRate {
  std::string server_id;
  double requests = 0;
  double bytes = 0;
};
void put_rates(Database& db, const std::vector<ServerRate>& rates);

}  // namespace arcus::registry
