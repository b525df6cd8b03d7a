#include <algorithm>
#include <asio/post.hpp>
#include <cstdlib>

#include "lib/base/error.h"
#include "lib/daemon/process_usage.h"
#include "lib/daemon/supervisor.h"

/// The end of a turn of the event loop: what changed goes to the workers and into the file, once.
namespace arcus::daemon {

void Supervisor::schedule_turn() {
  if (is_turn_scheduled_) return;
  is_turn_scheduled_ = true;
  asio::post(io_, [this, alive = std::weak_ptr{alive_}] {
    if (!alive.expired()) turn();
  });
}

void Supervisor::turn() {
  is_turn_scheduled_ = false;
  auto queue = std::move(config_queue_);
  config_queue_.clear();
  for (const auto& [worker, ids] : queue) {
    if (!worker->is_up()) continue;  // its next run is told everything
    try {
      send_configs(*worker, ids);
    } catch (const Error& error) {
      Logger{"supervisor"}.error("cannot configure a worker",
                                 field("group", worker->spec().group) + field("error", error.what()));
      worker->kill(error.what());  // counter files cannot be made: its servers say so until they can
    }
  }
  tell_own_ports();
  for (const auto& worker : workers_)
    if (asks_.contains(worker->spec().group)) worker->send(wire::FrameType::status, "{}");
  asks_.clear();
  write_states();
  forget_removed();
  if (!is_shutting_down()) retire_unused();
  if (on_shut_down_ && workers_.empty()) {
    const auto done = std::exchange(on_shut_down_, [] {});
    done();
    return;
  }
  const auto now = count();
  if (is_settled_ || !has_read_ || now.pending > 0) return;
  is_settled_ = true;
  if (on_settled) on_settled();
}

/// Every worker knows the ports of all: none of them may be a client's destination.
void Supervisor::tell_own_ports() {
  wire::OwnPortsFrame now;
  for (const auto& [id, server] : servers_)
    for (const auto* listener : {&server.listener, &server.old_listener})
      if (*listener) now.ports.push_back((*listener)->socket.bound.port);
  std::ranges::sort(now.ports);
  if (now == own_ports_) return;
  own_ports_ = std::move(now);
  for (const auto& worker : workers_) worker->send(wire::FrameType::own_ports, to_json(own_ports_));
}

/// Whether the figures of a worker moved enough to be worth a write.
static bool is_news(const registry::WorkerRow& before, const registry::WorkerRow& now) {
  constexpr std::int64_t bytes = 1 << 20;
  constexpr std::int64_t cpu_ms = 100;
  constexpr std::int64_t delay_us = 500;
  return before.pid != now.pid || before.restarts != now.restarts || before.threads != now.threads ||
         before.sandbox != now.sandbox || before.open_fds != now.open_fds ||
         before.last_exit != now.last_exit || std::abs(before.rss_bytes - now.rss_bytes) >= bytes ||
         now.cpu_ms - before.cpu_ms >= cpu_ms ||
         std::abs(now.loop_delay_p99_us - before.loop_delay_p99_us) >= delay_us;
}

std::vector<registry::WorkerRow> Supervisor::worker_news() const {
  std::vector<registry::WorkerRow> out;
  for (const auto& worker : workers_) {
    if (worker->is_retiring() || !dirty_workers_.contains(worker->spec().group)) continue;
    auto row = row_of(*worker);
    const auto written = written_workers_.find(row.worker_group);
    if (written == written_workers_.end() || is_news(written->second, row)) out.push_back(std::move(row));
  }
  return out;
}

void Supervisor::write_states() {
  const auto workers = worker_news();
  const bool has_dirty_server =
      std::ranges::any_of(servers_, [](const auto& entry) { return entry.second.dirty; });
  if (!has_dirty_server && events_.empty() && workers.empty() && removed_workers_.empty() &&
      !backends_.has_news() && refusals_.empty() && certificates_.news().empty()) {
    dirty_workers_.clear();
    return;
  }
  const bool is_written = store_.write([this, &workers](Database& db) {
    for (const auto& [id, server] : servers_)
      if (server.dirty && !server.removed) registry::put_server_state(db, server.state);
    for (const auto& event : events_)
      registry::add_event(db, event.kind, event.tenant, event.object, event.detail);
    for (const auto& refusal : refusals_) registry::add_refusal(db, refusal);
    for (const std::string& group : removed_workers_) registry::remove_worker(db, group);
    for (const auto& row : workers) registry::put_worker(db, row);
    for (const auto& result : backends_.news()) registry::put_backend_result(db, result);
    for (const auto& [id, facts] : certificates_.news()) registry::put_cert_facts(db, id, facts);
  });
  if (!is_written) return;
  for (auto& [id, server] : servers_) server.dirty = false;
  for (const std::string& group : removed_workers_) written_workers_.erase(group);
  for (const auto& row : workers) written_workers_.insert_or_assign(row.worker_group, row);
  events_.clear();
  refusals_.clear();
  dirty_workers_.clear();
  removed_workers_.clear();
  backends_.note_written();
  certificates_.clear_news();
}

registry::WorkerRow Supervisor::row_of(const Worker& worker) const {
  registry::WorkerRow row;
  row.worker_group = worker.spec().group;
  row.restarts = worker.restarts();
  row.threads = worker.spec().threads;
  if (!worker.last_exit().empty()) row.last_exit = worker.last_exit();
  if (!worker.is_up()) return row;
  row.pid = worker.pid();
  row.started_at = worker.started_at();
  const ProcessUsage usage = process_usage(worker.pid());
  row.rss_bytes = usage.rss_bytes;
  row.cpu_ms = usage.cpu_ms;
  if (const auto status = status_.find(row.worker_group); status != status_.end()) {
    row.open_fds = status->second.open_fds;
    row.loop_delay_p99_us = status->second.loop_delay_p99_us;
  }
  if (const auto ready = ready_.find(row.worker_group); ready != ready_.end()) {
    row.sandbox = ready->second.seccomp ? "seccomp" : "";
    if (ready->second.landlock_abi > 0)
      row.sandbox +=
          (row.sandbox.empty() ? "landlock" : "+landlock") + std::to_string(ready->second.landlock_abi);
    if (row.sandbox.empty()) row.sandbox = "off";
  }
  return row;
}

void Supervisor::forget_removed() {
  std::erase_if(servers_, [](const auto& entry) { return entry.second.removed && !entry.second.draining; });
}

}  // namespace arcus::daemon
