#include "lib/registry/observed.h"

#include "lib/base/time.h"

namespace arcus::registry {

std::optional<DaemonRow> find_daemon(Database& db) {
  auto st = db.query(
      "SELECT pid, boot_id, version, started_at, heartbeat_at, socket_path, run_dir, log_dir, rss_bytes, "
      "cpu_ms, open_fds "
      "FROM daemon");
  if (!st.step()) return std::nullopt;
  auto [pid, boot_id, version, started, heartbeat, socket, run_dir, log_dir, rss, cpu, fds] =
      st.row<std::int64_t, std::string, std::string, std::string, std::string, std::string, std::string,
             std::string, std::int64_t, std::int64_t, std::int64_t>();
  return DaemonRow{.pid = pid,
                   .boot_id = std::move(boot_id),
                   .version = std::move(version),
                   .started_at = std::move(started),
                   .heartbeat_at = std::move(heartbeat),
                   .socket_path = std::move(socket),
                   .run_dir = std::move(run_dir),
                   .log_dir = std::move(log_dir),
                   .rss_bytes = rss,
                   .cpu_ms = cpu,
                   .open_fds = fds};
}

void put_daemon(Database& db, const DaemonRow& row) {
  db.exec(
      "INSERT INTO daemon (id, pid, boot_id, version, started_at, heartbeat_at, socket_path, run_dir, "
      "log_dir, rss_bytes, "
      "cpu_ms, open_fds) VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET pid = "
      "excluded.pid, "
      "boot_id = excluded.boot_id, version = excluded.version, started_at = excluded.started_at, "
      "heartbeat_at = excluded.heartbeat_at, socket_path = excluded.socket_path, run_dir = excluded.run_dir, "
      "log_dir = excluded.log_dir, rss_bytes = excluded.rss_bytes, cpu_ms = excluded.cpu_ms, open_fds = "
      "excluded.open_fds",
      row.pid, row.boot_id, row.version, row.started_at, row.heartbeat_at, row.socket_path, row.run_dir,
      row.log_dir, row.rss_bytes, row.cpu_ms, row.open_fds);
}

void remove_daemon(Database& db) { db.exec("DELETE FROM daemon"); }

std::vector<WorkerRow> list_workers(Database& db) {
  std::vector<WorkerRow> out;
  auto st = db.query(
      "SELECT worker_group, pid, started_at, restarts, threads, sandbox, rss_bytes, cpu_ms, open_fds, "
      "loop_delay_p99_us, last_exit FROM worker "
      "ORDER BY worker_group");
  while (st.step()) {
    auto [group, pid, started, restarts, threads, sandbox, rss, cpu, fds, delay, last_exit] =
        st.row<std::string, std::optional<std::int64_t>, std::optional<std::string>, std::int64_t,
               std::int64_t, std::string, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
               std::optional<std::string>>();
    out.push_back({std::move(group), pid, std::move(started), restarts, threads, std::move(sandbox), rss, cpu,
                   fds, delay, std::move(last_exit)});
  }
  return out;
}

void put_worker(Database& db, const WorkerRow& row) {
  db.exec(
      "INSERT INTO worker (worker_group, pid, started_at, restarts, threads, sandbox, rss_bytes, cpu_ms, "
      "open_fds, loop_delay_p99_us, last_exit) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (worker_group) DO UPDATE SET pid = excluded.pid, "
      "started_at = excluded.started_at, restarts = excluded.restarts, threads = excluded.threads, "
      "sandbox = excluded.sandbox, rss_bytes = excluded.rss_bytes, cpu_ms = excluded.cpu_ms, open_fds = "
      "excluded.open_fds, loop_delay_p99_us = excluded.loop_delay_p99_us, "
      "last_exit = excluded.last_exit",
      row.worker_group, row.pid, row.started_at, row.restarts, row.threads, row.sandbox, row.rss_bytes,
      row.cpu_ms, row.open_fds, row.loop_delay_p99_us, row.last_exit);
}

void remove_worker(Database& db, std::string_view worker_group) {
  db.exec("DELETE FROM worker WHERE worker_group = ?", worker_group);
}

void put_server_state(Database& db, const ServerState& s) {
  auto names = db.query(
      "SELECT t.name, t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = "
      "?",
      s.server_id);
  if (!names.step()) return;
  const auto [tenant, object] = names.row<std::string, std::string>();
  const ServerState before = server_state(db, s.server_id);
  const bool moved = before.status != s.status || before.status_since.empty();
  const std::string since =
      moved ? (s.status_since.empty() ? now_text() : s.status_since) : before.status_since;
  db.exec(
      "INSERT INTO server_state (server_id, status, status_reason, status_since, observed_generation, "
      "observed_restart_seq, "
      "observed_reload_seq, bound_addr, bound_port, last_error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
      "ON CONFLICT (server_id) DO UPDATE SET status = excluded.status, status_reason = "
      "excluded.status_reason, "
      "status_since = excluded.status_since, observed_generation = excluded.observed_generation, "
      "observed_restart_seq = excluded.observed_restart_seq, observed_reload_seq = "
      "excluded.observed_reload_seq, "
      "bound_addr = excluded.bound_addr, bound_port = excluded.bound_port, last_error = excluded.last_error",
      s.server_id, s.status, s.status_reason, since, s.observed_generation, s.observed_restart_seq,
      s.observed_reload_seq, s.bound_addr, s.bound_port, s.last_error);
  // A listener that is not there has no health.
  if (s.status != "running")
    db.exec(
        "UPDATE server_state SET health = 'unknown', health_detail = NULL WHERE server_id = ? AND health <> "
        "'unknown'",
        s.server_id);
  if (moved) {
    std::string detail = before.status + "->" + s.status;
    if (s.last_error) detail += " (" + *s.last_error + ")";
    add_event(db, "status", tenant, object, detail);
  }
}

void reset_server_states(Database& db) {
  db.exec(
      "UPDATE server_state SET status = 'stopped', status_reason = 'daemon restarted', "
      "status_since = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), bound_addr = NULL, bound_port = NULL, health = "
      "'unknown', "
      "health_detail = NULL WHERE status <> 'stopped'");
}

void put_health(Database& db, const std::vector<HealthResult>& results) {
  for (const HealthResult& r : results) {
    auto st = db.query(
        "SELECT st.health, t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id "
        "JOIN server_state st ON st.server_id = s.id WHERE s.id = ? AND st.status = 'running'",
        r.server_id);
    if (!st.step()) continue;  // stopped while it was asked
    const auto [before, object] = st.row<std::string, std::string>();
    db.exec(
        "UPDATE server_state SET health = ?1, health_detail = ?2, health_latency_ms = ?3, "
        "health_checked_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), consecutive_failures = ?4, "
        "health_since = iif(health = ?1 AND health_since IS NOT NULL, health_since, "
        "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) "
        "WHERE server_id = ?5",
        r.health, r.detail, r.latency_ms, r.consecutive_failures, r.server_id);
    if (before != r.health)
      db.exec(
          "INSERT INTO health_event (server_id, object, health_before, health, detail) VALUES (?, ?, ?, ?, "
          "?)",
          r.server_id, object, before, r.health, r.detail);
  }
}

void put_backend_result(Database& db, const BackendResult& result) {
  auto st = db.query(
      "SELECT b.server_id, t.name || '/' || s.name || '/' || b.address, coalesce(bs.state, 'unknown') "
      "FROM backend b JOIN server s ON s.id = b.server_id JOIN tenant t ON t.id = b.tenant_id "
      "LEFT JOIN backend_state bs ON bs.backend_id = b.id WHERE b.id = ?",
      result.backend_id);
  if (!st.step()) return;
  const auto [server_id, object, before] = st.row<std::string, std::string, std::string>();
  const std::string state = result.state.empty() ? before : result.state;
  db.exec(
      "INSERT INTO backend_state (backend_id, state, since) VALUES (?1, ?2, "
      "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) ON CONFLICT (backend_id) DO UPDATE SET "
      "since = iif(state = excluded.state, since, excluded.since), state = excluded.state",
      result.backend_id, state);
  db.exec(
      "UPDATE backend_state SET last_error = CASE WHEN ?2 <> '' THEN ?2 WHEN ?3 THEN NULL ELSE last_error "
      "END, "
      "decided_by = coalesce(nullif(?4, ''), decided_by) WHERE backend_id = ?1",
      result.backend_id, result.error, state == "up" && result.error.empty(), result.decided_by);
  if (!result.checked_at.empty())
    db.exec(
        "UPDATE backend_state SET last_check_at = ?2, last_latency_ms = ?3, consecutive_ok = ?4, "
        "consecutive_fail = ?5 WHERE backend_id = ?1",
        result.backend_id, result.checked_at, result.latency_ms, result.consecutive_ok,
        result.consecutive_fail);
  if (state == before) return;
  const std::string detail = result.error.empty() ? "found by " + result.decided_by
                                                  : result.error + ", found by " + result.decided_by;
  db.exec(
      "INSERT INTO health_event (server_id, object, health_before, health, detail) VALUES (?, ?, ?, ?, ?)",
      server_id, object, before, state, detail);
}

void add_refusal(Database& db, const Refusal& refusal) {
  db.exec(
      "INSERT INTO audit (actor, via, action, tenant, object, object_id, after) "
      "SELECT 'daemon', 'daemon', 'refused', t.name, t.name || '/' || s.name, s.id, "
      "json_object('reason', ?2, 'client', ?3, 'count', ?4) "
      "FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.id = ?1",
      refusal.server_id, refusal.reason, refusal.network, refusal.count);
}

void add_event(Database& db, std::string_view kind, std::string_view tenant, std::string_view object,
               std::string_view detail) {
  const auto optional = [](std::string_view text) {
    return text.empty() ? std::nullopt : std::optional{text};
  };
  db.exec("INSERT INTO event (kind, tenant, object, detail) VALUES (?, ?, ?, ?)", kind, optional(tenant),
          object, optional(detail));
}

}  // namespace arcus::registry
