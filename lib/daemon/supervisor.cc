#include "lib/daemon/supervisor.h"

#include <algorithm>
#include <asio/steady_timer.hpp>
#include <utility>

#include "lib/base/time.h"
#include "lib/daemon/resolver_facts.h"

namespace arcus::daemon {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Supervisor::Supervisor(asio::io_context& io, Store& store, const Catalog& catalog, Paths paths,
                       SupervisorOptions options)
    : io_{io},
      store_{store},
      catalog_{catalog},
      paths_{std::move(paths)},
      options_{std::move(options)},
      logs_{paths_, options_.access_log_to_stdout},
      resolver_{read_resolver_facts()} {}

Supervisor::~Supervisor() = default;

milliseconds Supervisor::drain_timeout() const {
  return options_.drain_timeout.value_or(settings_.drain_timeout);
}

void Supervisor::reconcile() {
  if (is_shutting_down()) return;
  auto desired = store_.load();
  if (!desired) return;
  Logger{"supervisor"}.debug("reconcile", field("servers", std::ssize(desired->servers)));
  settings_ = desired->settings;
  const auto former = std::exchange(tenants_, {});
  group_resources_.clear();
  for (auto& tenant : desired->tenants) {
    auto [at, is_first] = group_resources_.try_emplace(tenant.tenant.group());
    Resources& all = at->second;
    all.threads = std::max(all.threads, tenant.tenant.worker_threads);
    const std::int64_t memory = tenant.tenant.memory_limit_bytes;
    all.memory_limit_bytes = memory == 0 || (!is_first && all.memory_limit_bytes == 0)
                                 ? 0  // one that is not limited limits nobody
                                 : all.memory_limit_bytes + memory;
    tenants_.emplace(tenant.tenant.id, std::move(tenant));
  }
  for (auto& [id, server] : servers_) server.removed = true;
  for (auto& row : desired->servers) {
    auto [at, is_new] = servers_.try_emplace(row.server.id);
    ManagedServer& server = at->second;
    if (is_new) {
      server.state = row.state;
      server.restart_seq = row.server.restart_seq;
      server.reload_seq = row.server.reload_seq;
      if (!has_read_ && !options_.auto_start) server.held_at = row.server.generation;
    }
    server.removed = false;
    server.desired = std::move(row);
  }
  has_read_ = true;
  note_expiries();
  for (const auto& [id, tenant] : former) follow_name(tenant.tenant);
  for (auto& [id, server] : servers_) take_row(server);
  schedule_turn();
}

/// The logs of a tenant that has another name now go to that name's directory.
void Supervisor::follow_name(const registry::Tenant& former) {
  const auto now = tenants_.find(former.id);
  if (now == tenants_.end() || now->second.tenant.name == former.name) return;
  for (auto& [worker, tenants] : logs_sent_)
    if (tenants.contains(former.id)) send_log(*worker, former.id);
}

void Supervisor::note_expiries() {
  next_expiry_.reset();
  const std::string now = now_text();
  for (const auto& [id, tenant] : tenants_)
    for (const registry::User& user : tenant.users)
      if (user.may_log_in(now) && user.expires_at && (!next_expiry_ || *user.expires_at < *next_expiry_))
        next_expiry_ = user.expires_at;
}

/// No row changes when a user's time is over: their servers are told by us.
void Supervisor::expire_users() {
  if (!next_expiry_ || now_text() < *next_expiry_ || is_shutting_down()) return;
  note_expiries();
  for (auto& [id, server] : servers_) {
    if (server.desired.server.auth == "none") continue;
    server.seen_generation = 0;  // take_row() shall look again
    take_row(server);
  }
}

void Supervisor::tick() {
  expire_users();
  const auto now = steady_clock::now();
  bool is_unwritten = !events_.empty() || backends_.has_news() || !refusals_.empty() ||
                      !certificates_.news().empty() || !dirty_workers_.empty() || !removed_workers_.empty();
  for (auto& [id, server] : servers_) {
    is_unwritten = is_unwritten || server.dirty;
    if (!server.retry_at || now < *server.retry_at || !server.is_wanted() || is_shutting_down()) continue;
    apply_row(server, false);
    drive(server);
  }
  if (is_unwritten) schedule_turn();
}

void Supervisor::reload_all() {
  refresh_resolver();
  reconcile();
  for (auto& [id, server] : servers_) {
    if (!server.is_wanted()) continue;
    apply_row(server, true);
    drive(server);
  }
}

void Supervisor::reopen_logs() {
  for (auto& [worker, tenants] : logs_sent_)
    for (const std::string& tenant : tenants) send_log(*worker, tenant);
}

void Supervisor::set_log_filter(const std::string& filter) {
  options_.log_filter = filter;
  for (const auto& worker : workers_) worker->send(wire::FrameType::log_level, filter);
}

void Supervisor::refresh_resolver() {
  auto facts = read_resolver_facts();
  if (facts == resolver_) return;
  resolver_ = std::move(facts);
  for (const auto& worker : workers_) worker->send(wire::FrameType::resolver, to_json(resolver_));
}

void Supervisor::refresh_files() {
  if (is_shutting_down()) return;
  for (const std::string& id : certificates_.changed()) {
    const auto found = servers_.find(id);
    if (found == servers_.end() || found->second.removed) {
      certificates_.forget(id);
    } else if (found->second.is_wanted()) {
      apply_row(found->second, false);
      drive(found->second);
    }
  }
}

void Supervisor::refresh_workers() {
  for (const auto& worker : workers_) {
    if (worker->is_retiring()) continue;
    worker->send(wire::FrameType::status, "{}");
  }
}

void Supervisor::refresh_checks() {
  std::set<Worker*> checking;
  for (const auto& [id, server] : servers_)
    if (server.worker && server.config && server.config->server.health_type != "none")
      checking.insert(server.worker);
  for (Worker* worker : checking) worker->send(wire::FrameType::status, "{}");
}

void Supervisor::check_backends(std::function<void()> then) {
  // The last copy to go calls it, since workers that die answer as well; or the time is over.
  constexpr std::chrono::seconds patience{10};
  const auto said = std::make_shared<bool>(false);
  const auto once = [said, then = std::move(then)] {
    if (!std::exchange(*said, true)) then();
  };
  const auto timer = std::make_shared<asio::steady_timer>(io_, patience);
  timer->async_wait([once, timer](const asio::error_code& error) {
    if (!error) once();
  });
  const std::shared_ptr<void> all{nullptr, [once, timer](void*) { timer->cancel(), once(); }};
  for (const auto& worker : workers_) {
    if (worker->is_retiring() || !worker->is_up()) continue;
    const auto seq = expect(*worker, [all](const std::string&) {});
    worker->send(wire::FrameType::check, to_json(wire::CheckFrame{.seq = seq}));
  }
}

void Supervisor::announce_probe(const std::string& server_id, std::uint16_t source_port,
                                std::function<void(const std::string& error)> then) {
  const auto found = servers_.find(server_id);
  if (found == servers_.end() || !found->second.worker || !found->second.is_serving())
    return then("the server does not run");
  Worker& worker = *found->second.worker;
  const auto seq = expect(worker, std::move(then));
  worker.send(wire::FrameType::probe,
              to_json(wire::ProbeFrame{.seq = seq, .server_id = server_id, .source_port = source_port}));
}

bool Supervisor::hurry_drain(const std::string& server_id, milliseconds limit) {
  const auto found = servers_.find(server_id);
  if (found == servers_.end() || !found->second.draining || !found->second.worker) return false;
  found->second.worker->send(wire::FrameType::unlisten, to_json(found->second.unlisten_frame(limit)));
  return true;
}

void Supervisor::order_drain(const std::string& server_id, milliseconds limit, milliseconds validity) {
  const auto found = servers_.find(server_id);
  if (found == servers_.end()) return;
  found->second.drain_order = {.limit = limit, .expires = steady_clock::now() + validity};
}

void Supervisor::shut_down(bool now, std::function<void()> done) {
  on_shut_down_ = std::move(done);
  for (auto& [id, server] : servers_) {
    server.retry_at.reset();
    close_listeners(server);
    if (server.state.status == "running" || server.state.status == "starting")
      report(server, "stopping", "daemon stops");
    if (!server.worker && server.state.status != "stopped") report(server, "stopped", "daemon stopped");
  }
  for (const auto& worker : workers_) {
    worker->retire(drain_timeout());
    if (now) worker->kill();
  }
  schedule_turn();
}

StatusCount Supervisor::count() const {
  StatusCount out;
  for (const auto& [id, server] : servers_) {
    if (server.removed) continue;
    ++out.total;
    if (server.state.status == "running") ++out.running;
    if (server.state.status == "error") ++out.error;
    if (server.state.status == "starting" || server.state.status == "stopping") ++out.pending;
  }
  return out;
}

std::vector<ServerLine> Supervisor::lines() const {
  std::vector<ServerLine> out;
  for (const auto& [id, server] : servers_) {
    if (server.removed) continue;
    const registry::Server& row = server.desired.server;
    const auto address = IpAddress::parse(row.listen_addr).value_or(IpAddress{});
    const Endpoint wanted{.address = address, .port = static_cast<std::uint16_t>(row.listen_port)};
    out.push_back({.id = id,
                   .reference = row.reference(),
                   .type = row.type,
                   .address = (server.listener ? server.listener->socket.bound : wanted).to_string(),
                   .status = server.state.status,
                   .error = server.state.last_error.value_or("")});
  }
  std::ranges::sort(out, {}, &ServerLine::reference);
  return out;
}

std::vector<HealthTarget> Supervisor::health_targets() const {
  std::vector<HealthTarget> out;
  for (const auto& [id, server] : servers_) {
    if (!server.is_serving() || !server.listener || !server.config) continue;
    HealthTarget target{.id = id,
                        .reference = server.desired.server.reference(),
                        .type = server.desired.server.type,
                        .running_since = server.state.status_since,
                        .address = server.listener->socket.bound,
                        .max_connections = server.config->server.max_connections,
                        .backends = std::ssize(server.desired.backends),
                        .tls = server.config->server.tls.enabled};
    if (target.tls) target.certificate_end = certificates_.expiry(id);
    for (const auto& backend : server.desired.backends) {
      if (backends_.state_of(backend) == "down") ++target.backends_down;
    }
    out.push_back(std::move(target));
  }
  return out;
}

bool Supervisor::still_runs(const HealthTarget& target) const {
  const auto found = servers_.find(target.id);
  return found != servers_.end() && found->second.is_serving() && found->second.listener &&
         found->second.state.status_since == target.running_since;
}

std::vector<std::string> Supervisor::dump() const {
  std::vector<std::string> out;
  for (const auto& worker : workers_)
    out.push_back("worker" + field("group", worker->spec().group) + field("pid", worker->pid()) +
                  field("incarnation", worker->incarnation()) + field("restarts", worker->restarts()) +
                  field("retiring", worker->is_retiring()));
  for (const auto& [id, server] : servers_) {
    const std::string bound = server.listener ? server.listener->socket.bound.to_string() : "";
    out.push_back("server" + field("server", server.desired.server.reference()) +
                  field("status", server.state.status) + field("bound", bound) +
                  field("generation", server.desired.server.generation) +
                  field("observed", server.state.observed_generation) + field("draining", server.draining) +
                  field("error", server.rejection));
  }
  return out;
}

std::map<std::string, std::string> Supervisor::incarnations() const {
  std::map<std::string, std::string> out;
  for (const auto& worker : workers_)
    if (!worker->incarnation().empty()) out.emplace(worker->incarnation(), worker->spec().group);
  return out;
}

}  // namespace arcus::daemon
