#include <algorithm>
#include <asio/post.hpp>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/reason.h"
#include "lib/base/text.h"
#include "lib/daemon/desired_config.h"
#include "lib/daemon/supervisor.h"

namespace arcus::daemon {

using std::chrono::milliseconds;

/// How long clients may wait in the accept queue for a worker that is being replaced.
static constexpr milliseconds long_absence{1'000};

WorkerSpec Supervisor::spec_of(const ManagedServer& server) const {
  const auto& tenant = tenant_of(server)->tenant;
  const auto found = group_resources_.find(tenant.group());
  const Resources all = found == group_resources_.end() ? Resources{} : found->second;
  return {.group = tenant.group(),
          .threads = all.threads > 0 ? all.threads : options_.threads,
          .memory_limit_bytes = all.memory_limit_bytes};
}

Worker& Supervisor::worker_for(const WorkerSpec& spec) {
  for (const auto& worker : workers_) {
    if (worker->is_retiring() || worker->spec().group != spec.group) continue;
    if (worker->spec() == spec) return *worker;
    worker->retire(drain_timeout());  // the same group with other resources: its servers move over one by one
  }
  wire::Hello hello{
      .version = options_.version, .instance = options_.instance, .log_filter = options_.log_filter};
  hello.uid = options_.worker_uid;
  hello.gid = options_.worker_gid;
  workers_.push_back(std::make_unique<Worker>(io_, spec, hello, paths_.run_dir, *this));
  workers_.back()->start();
  return *workers_.back();
}

std::int64_t Supervisor::expect(Worker& worker, std::function<void(const std::string& error)> then) {
  const std::int64_t seq = next_seq_++;
  expected_.emplace(seq, Expected{.worker = &worker, .then = std::move(then)});
  return seq;
}

void Supervisor::queue_config(ManagedServer& server) {
  server.sent_version = server.config->version;
  config_queue_[server.worker].insert(server.id());
  schedule_turn();
}

/// Where rules, users and backends count in that worker.
static void name_tallies(CounterSegments& counters, wire::WorkerConfig& frame) {
  const auto name_rules = [&counters](std::vector<wire::RuleConfig>& rules) {
    for (wire::RuleConfig& rule : rules) rule.tally = counters.tally_of(TallyKind::acl, rule.id);
  };
  for (wire::TenantConfig& tenant : frame.tenants) {
    name_rules(tenant.rules);
    for (wire::UserConfig& user : tenant.users) user.tally = counters.tally_of(TallyKind::user, user.id);
  }
  for (wire::ServerConfig& server : frame.servers) {
    name_rules(server.rules);
    for (wire::BackendConfig& backend : server.backends)
      backend.tally = counters.tally_of(TallyKind::backend, backend.id);
  }
}

void Supervisor::send_configs(Worker& worker, const std::set<std::string>& ids) {
  wire::WorkerConfig frame;
  std::set<std::string> tenants;
  for (const std::string& id : ids) {
    const auto found = servers_.find(id);
    if (found == servers_.end() || found->second.worker != &worker || !found->second.config) continue;
    ManagedServer& server = found->second;
    const CounterPlace place = worker.counters().place_of(id);
    server.config->server.counter_segment = place.segment;
    server.config->server.counter_slot = place.slot;
    server.sent_version = server.config->version;
    server.versions_in_flight.push_back(server.config->version);
    if (tenants.insert(server.config->tenant.id).second) {
      frame.tenants.push_back(server.config->tenant);
      // Servers that ask for nobody are not told of users: their copy may be an old one.
      if (const auto now = tenants_.find(server.config->tenant.id); now != tenants_.end())
        frame.tenants.back().users = user_configs(now->second.users);
    }
    frame.servers.push_back(server.config->server);
  }
  if (frame.servers.empty()) return;
  name_tallies(worker.counters(), frame);
  worker.pass_counters();
  for (const std::string& tenant : tenants)
    if (logs_sent_[&worker].insert(tenant).second) send_log(worker, tenant);
  send_config_frame(worker, std::move(frame));
}

/// In frames that a channel takes: certificates and authorities of many servers are megabytes.
void Supervisor::send_config_frame(Worker& worker, wire::WorkerConfig frame) {
  const std::string body = to_json(frame);
  if (body.size() <= options_.config_frame_size) return worker.send(wire::FrameType::config, body);
  if (frame.servers.size() > 1) {
    const auto middle = frame.servers.begin() + std::ssize(frame.servers) / 2;
    wire::WorkerConfig rest{.tenants = {}, .servers = {middle, frame.servers.end()}};
    frame.servers.erase(middle, frame.servers.end());
    send_config_frame(worker, std::move(frame));
    return send_config_frame(worker, std::move(rest));
  }
  if (body.size() <= wire::FrameChannel::max_body) return worker.send(wire::FrameType::config, body);
  const wire::Ack refusal{.server_id = frame.servers.front().id,
                          .generation = frame.servers.front().generation,
                          .error = "its certificates and authorities are too large: " +
                                   std::to_string(body.size() >> 20) + " MiB"};
  asio::post(io_, [this, refusal] {
    const auto found = servers_.find(refusal.server_id);
    if (found != servers_.end()) on_config_ack(found->second, refusal);
  });
}

void Supervisor::send_log(Worker& worker, const std::string& tenant_id) {
  const auto tenant = tenants_.find(tenant_id);
  if (tenant == tenants_.end()) return;
  const UniqueFd fd = logs_.open(tenant->second.tenant.name);
  worker.send(wire::FrameType::access_log, to_json(wire::AccessLogFrame{.tenant_id = tenant_id}), fd.get());
}

void Supervisor::retire_unused() {
  for (const auto& worker : workers_) {
    if (worker->is_retiring()) continue;
    const bool is_used = std::ranges::any_of(servers_, [&worker](const auto& entry) {
      const ManagedServer& server = entry.second;
      return server.worker == worker.get() && (server.is_wanted() || server.draining);
    });
    if (!is_used) worker->retire(drain_timeout());
  }
}

void Supervisor::on_worker_start(Worker& worker) {
  worker.send(wire::FrameType::resolver, to_json(resolver_));
  worker.send(wire::FrameType::own_ports, to_json(own_ports_));
  logs_sent_[&worker].clear();
  refusers_.erase(&worker);
  talk_.erase(worker.spec().group);
  dirty_workers_.insert(worker.spec().group);
  for (auto& [id, server] : servers_) {
    if (server.worker != &worker) continue;
    server.forget_worker_state();
    drive(server);
  }
  schedule_turn();
}

void Supervisor::on_worker_ready(Worker& worker, const wire::Ready& ready) {
  ready_[worker.spec().group] = ready;
  worker.send(wire::FrameType::status, "{}");
  dirty_workers_.insert(worker.spec().group);
  Logger{"supervisor"}.info("worker ready", field("group", worker.spec().group) + field("pid", ready.pid) +
                                                field("threads", ready.threads) +
                                                field("seccomp", ready.seccomp) +
                                                field("landlock_abi", ready.landlock_abi));
  schedule_turn();
}

void Supervisor::on_worker_ack(Worker& worker, const wire::Ack& ack) {
  if (ack.seq != 0) {
    const auto found = expected_.find(ack.seq);
    if (found == expected_.end() || found->second.worker != &worker) return;
    const auto then = std::move(found->second.then);
    expected_.erase(found);
    return then(ack.error);
  }
  if (ack.generation == 0) return;  // of a frame whose answer nobody waits for
  const auto found = servers_.find(ack.server_id);
  if (found != servers_.end() && found->second.worker == &worker) on_config_ack(found->second, ack);
}

/// What waits for a file that cannot be written.
static constexpr std::size_t most_pending = 20'000;

/// A bound on what one worker can make us do.
bool Supervisor::may_say_more(const Worker& worker, std::size_t things) {
  constexpr std::chrono::seconds window{10};
  const auto now = std::chrono::steady_clock::now();
  Talk& talk = talk_[worker.spec().group];
  if (now - talk.since > window) talk = {.since = now};
  talk.count += things;
  return talk.count <= options_.most_events;
}

/// What a worker refused for the sake of security becomes a row of the audit.
void Supervisor::take_refusal(const Worker& worker, const registry::Server& server,
                              const wire::Event& event) {
  constexpr std::int64_t most = 1'000'000'000;
  constexpr std::size_t most_rows =
      200;  // in the window of may_say_more(); all are counted, server_reason says
  if (++talk_[worker.spec().group].refusals > most_rows) return;
  const auto words = split(event.detail, ' ');
  if (words.size() != 2 || event.value <= 0) return;
  const auto reason = find_reason(words[0]);
  if (!reason || !info(*reason).is_security || !Cidr::parse(words[1]) || refusals_.size() >= most_pending)
    return;
  refusals_.push_back({.server_id = server.id,
                       .reason = std::string{name_of(*reason)},
                       .network = words[1],
                       .count = std::min(event.value, most)});
  schedule_turn();
}

void Supervisor::on_worker_event(Worker& worker, const wire::Event& event) {
  if (!may_say_more(worker)) return worker.kill("it says more than a worker has to say");
  if (event.kind == "leaving") return replace(worker);
  auto found = servers_.find(event.server_id);
  if (event.kind == "drained") {
    if (found == servers_.end() || found->second.worker != &worker || !found->second.draining) return;
    found->second.draining = false;
    drive(found->second);
    return schedule_turn();
  }
  // A worker may be taken over: it is believed about the servers of its own tenants alone.
  if (found != servers_.end()) {
    const auto* owner = tenant_of(found->second);
    if (owner == nullptr || owner->tenant.group() != worker.spec().group) found = servers_.end();
  }
  const std::string reference = found == servers_.end() ? "" : found->second.desired.server.reference();
  if (event.kind == "refused") {
    if (found != servers_.end()) take_refusal(worker, found->second.desired.server, event);
    return;
  }
  std::string detail = event.detail;
  if (event.kind == "backend_up" || event.kind == "backend_down") {
    if (found != servers_.end()) detail = backends_.take_event(found->second.desired, event);
    if (found == servers_.end() || detail.empty()) return;
    asks_.insert(worker.spec().group);  // for the check that found it
  }
  Logger{"supervisor"}.info("worker event",
                            field("kind", event.kind) + field("server", reference) + field("detail", detail));
  const std::string tenant = found == servers_.end() ? "" : found->second.desired.server.tenant;
  if (events_.size() >= most_pending) return;
  events_.push_back({.kind = event.kind, .tenant = tenant, .object = reference, .detail = detail});
  schedule_turn();
}

/// One of a socket's holders may have shut it down.
void Supervisor::listen_again(ManagedServer& server) {
  if (!server.listener) return;
  if (keep_listening(server.listener->socket, static_cast<int>(server.listener->backlog))) return;
  close_listeners(server);
  server.retry_at = std::chrono::steady_clock::now();
}

/// Somebody told a worker to end: it drains, and another one takes its servers at once.
void Supervisor::replace(Worker& worker) {
  if (is_shutting_down() || worker.is_retiring()) return;
  Logger{"supervisor"}.warn("worker was told to end", field("group", worker.spec().group));
  worker.retire(drain_timeout());
  for (auto& [id, server] : servers_) {
    if (server.worker != &worker) continue;
    server.forget_worker_state();
    server.worker = nullptr;
    listen_again(server);
    drive(server);
  }
  schedule_turn();
}

void Supervisor::on_worker_status(Worker& worker, const wire::WorkerStatus& status) {
  constexpr std::size_t cheap = 10;  // entries that cost no more than one event
  if (!may_say_more(worker, 1 + status.backends.size() / cheap))
    return worker.kill("it says more than a worker has to say");
  for (const wire::BackendStatus& backend : status.backends) {
    const auto found = servers_.find(backend.server_id);
    if (found == servers_.end()) continue;
    const auto* owner = tenant_of(found->second);
    if (owner != nullptr && owner->tenant.group() == worker.spec().group)
      backends_.take_status(found->second.desired, backend);
  }
  if (!status.is_part) {
    status_[worker.spec().group] = status;
    status_[worker.spec().group].backends.clear();
  }
  dirty_workers_.insert(worker.spec().group);
  schedule_turn();
}

void Supervisor::on_worker_death(Worker& worker, const std::string& why, std::optional<milliseconds> pause) {
  const std::string group = worker.spec().group;
  std::vector<Expected> unanswered;
  for (auto at = expected_.begin(); at != expected_.end();) {
    const bool is_of_worker = at->second.worker == &worker;
    if (is_of_worker) unanswered.push_back(std::move(at->second));
    at = is_of_worker ? expected_.erase(at) : std::next(at);
  }
  config_queue_.erase(&worker);
  logs_sent_.erase(&worker);
  refusers_.erase(&worker);
  if (pause > long_absence) refusers_[&worker] = std::make_unique<Refuser>(io_);
  if (pause) {
    Logger{"supervisor"}.error("worker died", field("group", group) + field("how", why) +
                                                  field("restarts", worker.restarts()) +
                                                  field("again_in_ms", pause->count()));
    events_.push_back({.kind = "worker_died", .tenant = {}, .object = "worker " + group, .detail = why});
  }
  for (auto& [id, server] : servers_) {
    if (server.worker != &worker) continue;
    server.forget_worker_state();
    if (!pause) server.worker = nullptr;
    if (pause) listen_again(server);
    if (server.is_wanted() && pause && server.listener) {
      report(server, "error", "its worker is being replaced", "worker died: " + why);
      if (pause > long_absence) refusers_[&worker]->watch(server.listener->socket.fd.get());
    } else if (!is_shutting_down()) {
      drive(server);
    } else {
      report(server, "stopped", "daemon stopped");
    }
  }
  for (const Expected& answer : unanswered) answer.then("the worker died");
  dirty_workers_.insert(group);
  if (on_incarnations_changed) on_incarnations_changed();
  if (!pause) {
    const bool has_successor = std::ranges::any_of(workers_, [&](const auto& other) {
      return other.get() != &worker && other->spec().group == group && !other->is_retiring();
    });
    if (!has_successor) {
      dirty_workers_.erase(group);
      removed_workers_.insert(group);
      ready_.erase(group);
      status_.erase(group);
    }
    std::erase_if(workers_, [&worker](const auto& owned) { return owned.get() == &worker; });
  }
  schedule_turn();
}

}  // namespace arcus::daemon
