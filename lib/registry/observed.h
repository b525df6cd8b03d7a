#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/mutation.h"
#include "lib/registry/servers.h"

/// What the daemon alone writes. All functions run inside a Mutation with `via` "daemon".
namespace arcus::registry {

struct DaemonRow {
  std::int64_t pid = 0;
  std::string boot_id;
  std::string version;
  std::string started_at;
  std::string heartbeat_at;
  std::string socket_path;
  std::string run_dir;
  std::string log_dir;
  std::int64_t rss_bytes = 0;
  std::int64_t cpu_ms = 0;
  std::int64_t open_fds = 0;
};
/// The row as it stands, stale or not.
std::optional<DaemonRow> find_daemon(Database& db);
void put_daemon(Database& db, const DaemonRow& row);
/// On a clean stop, and by whoever finds the run lock free beside a row: views then say `no daemon` at once.
void remove_daemon(Database& db);

struct WorkerRow {
  std::string worker_group;
  std::optional<std::int64_t> pid;
  std::optional<std::string> started_at;
  std::int64_t restarts = 0;
  std::int64_t threads = 0;
  std::string sandbox;
  std::int64_t rss_bytes = 0;
  std::int64_t cpu_ms = 0;
  std::int64_t open_fds = 0;
  std::int64_t loop_delay_p99_us = 0;  ///< of the last minute: what events wait for a data thread
  std::optional<std::string> last_exit;
};
std::vector<WorkerRow> list_workers(Database& db);
void put_worker(Database& db, const WorkerRow& row);
void remove_worker(Database& db, std::string_view worker_group);

/// Upserts the row of `state.server_id`, health columns left alone. A server that is gone is passed over.
/// A change of status becomes an event of kind `status`.
void put_server_state(Database& db, const ServerState& state);
/// At the daemon's start: every row that says starting, running or stopping becomes stopped, reason `daemon
/// restarted`.
void reset_server_states(Database& db);

struct HealthResult {
  std::string server_id;
  std::string health;  ///< healthy, degraded, unhealthy, unknown
  std::optional<std::string> detail;
  std::optional<double> latency_ms;
  std::int64_t consecutive_failures = 0;
};
/// Writes the results of one round; a transition becomes a health_event.
void put_health(Database& db, const std::vector<HealthResult>& results);

/// What workers found out about one backend: that its state is another one, how its last check went, or both.
struct BackendResult {
  std::string backend_id;
  std::string state;       ///< up, down; empty = as it was
  std::string decided_by;  ///< check, traffic; with a state
  std::string error;       ///< of the last failure; empty = none since it is up
  std::string checked_at;  ///< empty = it was not checked
  double latency_ms = 0;   ///< of the check, as the two below
  std::int64_t consecutive_ok = 0;
  std::int64_t consecutive_fail = 0;
};
/// A backend that is gone is passed over. Another state becomes a health_event.
void put_backend_result(Database& db, const BackendResult& result);

/// What a server refused for the sake of security within some 10 s, from one network.
struct Refusal {
  std::string server_id;
  std::string reason;
  std::string network;
  std::int64_t count = 0;
};
/// Appends to `audit`, action `refused`. That of a server that is gone is passed over.
void add_refusal(Database& db, const Refusal& refusal);

/// Appends to `event`. `object` is "acme/web", "worker acme", "daemon".
void add_event(Database& db, std::string_view kind, std::string_view tenant, std::string_view object,
               std::string_view detail);

}  // namespace arcus::registry
