#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/daemon/desired_config.h"
#include "lib/daemon/supervisor.h"

namespace arcus::daemon {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How long a port that a worker of the last daemon still holds is waited for before that is an error.
static constexpr milliseconds orphan_patience{1'000};
static constexpr milliseconds most_port_pause{2'000};

const registry::DesiredTenant* Supervisor::tenant_of(const ManagedServer& server) const {
  const auto found = tenants_.find(server.desired.server.tenant_id);
  return found == tenants_.end() ? nullptr : &found->second;
}

std::string Supervisor::not_wanted(const registry::DesiredServer& desired) const {
  const auto tenant = tenants_.find(desired.server.tenant_id);
  if (tenant == tenants_.end()) return "tenant unknown";
  if (!tenant->second.tenant.enabled) return std::string{tenant_is_disabled};
  if (!desired.server.enabled) return "server disabled";
  return {};
}

/// A row was read: decides whether anything about it is news.
void Supervisor::take_row(ManagedServer& server) {
  const registry::Server& row = server.desired.server;
  server.not_wanted = not_wanted(server.desired);
  if (!server.is_wanted()) {
    if (const auto* tenant = tenant_of(server); tenant != nullptr && server.draining)
      apply_access(server, *tenant);
    return drive(server);
  }
  const bool is_reload = row.reload_seq != server.reload_seq;
  const bool is_restart = row.restart_seq != server.restart_seq;
  if (is_reload || is_restart || row.generation != server.seen_generation || !server.listener)
    apply_row(server, is_reload);
  drive(server);
}

/// Turns the row into the configuration to be in force, or into a rejection that leaves everything as it is
/// but for who may do what.
void Supervisor::apply_row(ManagedServer& server, bool force) {
  const registry::DesiredTenant* tenant = tenant_of(server);
  server.seen_generation = server.desired.server.generation;
  server.rejection.clear();
  server.is_waiting_for_port = false;
  server.retry_at.reset();
  if (!make_config(server, *tenant, force)) apply_access(server, *tenant);
}

/// Users and rules hold at once, whatever else of a row cannot be had, and for what only drains.
void Supervisor::apply_access(ManagedServer& server, const registry::DesiredTenant& tenant) {
  if (!server.config) return;
  VersionedConfig next = *server.config;
  next.tenant.users = user_configs(tenant.users);
  if (problems_of(tenant.rules).empty() && problems_of(server.desired.rules).empty()) {
    next.tenant.rules = rule_configs(tenant.rules);
    next.server.rules = rule_configs(server.desired.rules);
  }
  if (next.tenant == server.config->tenant && next.server == server.config->server) return;
  next.version = next_version_++;
  server.config = std::move(next);
  if (server.worker && server.worker->is_up() && server.sent_version != 0) queue_config(server);
}

/// False, with `rejection` set, when the row cannot be had.
bool Supervisor::make_config(ManagedServer& server, const registry::DesiredTenant& tenant, bool force) {
  const auto problems = problems_of(server.desired, tenant, catalog_);
  if (!problems.empty()) {
    server.rejection = "config rejected: " + join(problems, "; ");
    return false;
  }
  VersionedConfig next{.server = server_config(server.desired), .tenant = tenant_config(tenant)};
  try {
    certificates_.fill(server.desired, next.server);
    if (!certificates_.news().empty()) schedule_turn();
  } catch (const Error& error) {
    server.rejection = "config rejected: " + std::string{error.what()};
    return false;
  }
  if (!open_listener(server, next.server)) return false;
  next.server.listen_port = server.listener->socket.bound.port;

  if (server.config && !force) {
    wire::ServerConfig same_generation = next.server;
    same_generation.generation = server.config->server.generation;
    same_generation.counter_segment = server.config->server.counter_segment;
    same_generation.counter_slot = server.config->server.counter_slot;
    if (same_generation == server.config->server && next.tenant == server.config->tenant) return true;
  }
  next.version = next_version_++;
  server.config = std::move(next);
  return true;
}

/// A listening socket there. Where the server's own one stands in the way (the same port on an address that
/// overlaps), that one goes first, and comes back when the new one cannot be had.
ListenSocket Supervisor::open_in_place(ManagedServer& server, const Endpoint& wanted, int backlog) {
  try {
    return open_listen_socket(wanted, backlog);
  } catch (const Error& error) {
    const bool is_mine =
        server.listener && wanted.port != 0 && server.listener->socket.bound.port == wanted.port;
    if (error.kind() != ErrorKind::conflict || !is_mine) throw;
  }
  const ListenSocket& old = server.listener->socket;
  ::shutdown(old.fd.get(), SHUT_RDWR);
  try {
    return open_listen_socket(wanted, backlog);
  } catch (const Error&) {
    if (!keep_listening(old, backlog)) close_listeners(server);
    throw;
  }
}

/// Makes `listener` what the configuration wants; false (with `rejection` set) when that cannot be had.
bool Supervisor::open_listener(ManagedServer& server, const wire::ServerConfig& config) {
  const auto address = IpAddress::parse(config.listen_addr);
  if (!address) {
    server.rejection = "config rejected: listen_addr: not an address";
    return false;
  }
  const Endpoint wanted{.address = *address, .port = config.listen_port};
  const std::int64_t backlog = server.desired.server.backlog;
  if (server.listener && server.listener->wanted == wanted) {
    if (server.listener->backlog != backlog)
      set_backlog(server.listener->socket.fd, static_cast<int>(backlog));
    server.listener->backlog = backlog;
    return true;
  }
  try {
    Listener next{.socket = open_in_place(server, wanted, static_cast<int>(backlog)),
                  .wanted = wanted,
                  .backlog = backlog,
                  .number = next_listener_++};
    if (server.listener && server.is_serving() && !server.old_listener)
      server.old_listener = std::move(server.listener);
    server.listener = std::move(next);
    server.backoff.reset();
    return true;
  } catch (const Error& error) {
    server.rejection = error.what();
    const auto now = steady_clock::now();
    server.is_waiting_for_port = error.kind() == ErrorKind::conflict && now - started_ < orphan_patience &&
                                 server.rejection.find("arcusctl (pid") != std::string::npos;
    server.retry_at = now + std::clamp(server.backoff.next({}), Backoff::first, most_port_pause);
    return false;
  }
}

void Supervisor::drive(ManagedServer& server) {
  if (is_shutting_down()) return;  // nothing is started any more; the workers drain all they have
  if (server.is_wanted())
    drive_start(server);
  else
    drive_stop(server);
}

/// How long this stop may take: as ordered just before, else as the row says.
milliseconds Supervisor::drain_limit(ManagedServer& server) {
  const auto order = std::exchange(server.drain_order, std::nullopt);
  const bool holds = order && steady_clock::now() < order->expires;
  return holds ? order->limit : milliseconds{server.desired.server.drain_timeout_ms};
}

void Supervisor::drive_stop(ManagedServer& server) {
  server.retry_at.reset();
  server.backoff.reset();
  const bool at_once = server.is_suspended();
  if (server.worker && server.listen_sent != 0)
    leave_worker(server, at_once ? milliseconds{0} : drain_limit(server));
  else if (at_once)
    hurry_drain(server.id(), milliseconds{0});
  else if (server.removed && server.worker && server.sent_version != 0 && !server.draining)
    server.worker->send(wire::FrameType::unlisten,
                        to_json(wire::ListenFrame{.server_id = server.id(), .forget = true}));
  close_listeners(server);
  if (server.draining) return report(server, "stopping", server.not_wanted);
  const bool is_held = server.held_at == server.desired.server.generation;
  server.rejection.clear();
  server.seen_generation = 0;
  report(server, "stopped", is_held ? "held by --no-auto-start" : std::string_view{server.not_wanted});
  settle(server);
}

void Supervisor::drive_start(ManagedServer& server) {
  const registry::Server& row = server.desired.server;
  if (!server.config || !server.listener) {
    if (server.is_waiting_for_port) return report(server, "starting", "waiting for its port");
    report(server, "error", "not started", server.rejection);
    return settle(server);
  }
  Worker& worker = worker_for(spec_of(server));
  if (server.worker != &worker) {
    if (server.worker) leave_worker(server, milliseconds{row.drain_timeout_ms});
    server.worker = &worker;
    server.forget_worker_state();
  }
  if (server.restart_seq != row.restart_seq) {
    if (server.is_serving()) {
      leave_worker(server, milliseconds{row.drain_timeout_ms});
      server.config->version = next_version_++;
      report(server, "starting", "restarting");
    }
    server.restart_seq = row.restart_seq;
  }
  server.draining = false;
  if (!worker.is_up()) {
    if (server.state.status != "error") report(server, "starting");
    return;
  }
  if (server.acked_version != server.config->version) {
    if (server.sent_version != server.config->version) queue_config(server);
    if (!server.is_serving() && server.state.status != "error") report(server, "starting");
    return;
  }
  if (server.listen_acked != server.listener->number) {
    if (server.listen_sent != server.listener->number) send_listen(server);
    return;
  }
  if (server.rejection.empty())
    report(server, "running");
  else
    report(server, "error", "the last good configuration goes on", server.rejection);
  settle(server);
}

/// Frees the ports at once, whatever the worker's copies of the sockets are doing.
void Supervisor::close_listeners(ManagedServer& server) {
  for (auto* listener : {&server.listener, &server.old_listener}) {
    if (*listener) ::shutdown((*listener)->socket.fd.get(), SHUT_RDWR);
    listener->reset();
  }
}

/// The worker stops accepting for this server; its connections drain there.
void Supervisor::leave_worker(ManagedServer& server, milliseconds drain) {
  if (server.worker && server.worker->is_up() && server.listen_sent != 0) {
    server.worker->send(wire::FrameType::unlisten, to_json(server.unlisten_frame(drain)));
    server.draining = true;
  }
  server.listen_sent = server.listen_acked = 0;
}

void Supervisor::send_listen(ManagedServer& server) {
  const std::int64_t number = server.listener->number;
  const std::int64_t seq = expect(*server.worker, [this, id = server.id(), number](const std::string& error) {
    const auto found = servers_.find(id);
    if (found == servers_.end()) return;
    ManagedServer& target = found->second;
    if (target.listen_sent != number) return;
    if (error.empty()) {
      target.listen_acked = number;
      target.old_listener.reset();
      return drive(target);
    }
    target.listen_sent = 0;
    close_listeners(target);
    target.rejection = "cannot listen: " + error;
    target.retry_at = steady_clock::now() + std::max(target.backoff.next({}), Backoff::first);
    drive(target);
  });
  server.listen_sent = number;
  server.worker->send(wire::FrameType::listen,
                      to_json(wire::ListenFrame{.seq = seq, .server_id = server.id()}),
                      server.listener->socket.fd.get());
}

void Supervisor::on_config_ack(ManagedServer& server, const wire::Ack& ack) {
  if (server.versions_in_flight.empty()) return;
  const std::int64_t version = server.versions_in_flight.front();
  server.versions_in_flight.pop_front();
  const bool is_newest = server.config && server.config->version == version;
  if (ack.error.empty()) {
    server.acked_version = version;
    if (is_newest) server.good = server.config;
  } else if (is_newest) {
    server.rejection = "config rejected: " + ack.error;
    server.config = server.good;
    if (server.old_listener) server.listener = std::move(server.old_listener);
    server.old_listener.reset();
    listen_again(server);  // open_in_place() may have shut it down
    if (!server.config) server.listener.reset();
  }
  drive(server);
}

void Supervisor::report(ManagedServer& server, std::string_view status, std::string_view reason,
                        std::string_view error) {
  registry::ServerState next = server.state;
  next.server_id = server.id();
  next.status = status;
  const auto optional = [](std::string_view text) {
    return text.empty() ? std::nullopt : std::optional<std::string>{text};
  };
  next.status_reason = optional(reason);
  if (status == "error" || status == "running" || status == "stopped") next.last_error = optional(error);
  next.bound_addr.reset();
  next.bound_port.reset();
  if (server.listener && status != "stopped") {
    next.bound_addr = server.listener->socket.bound.address.to_string();
    next.bound_port = server.listener->socket.bound.port;
  }
  if (next.status != server.state.status) {
    next.status_since = now_text();
    Logger{"supervisor"}.debug("status", field("server", server.desired.server.reference()) +
                                             field("status", status) + field("reason", reason) +
                                             field("error", error));
  }
  const bool is_news =
      next.status != server.state.status || next.status_reason != server.state.status_reason ||
      next.last_error != server.state.last_error || next.bound_addr != server.state.bound_addr ||
      next.bound_port != server.state.bound_port;
  server.state = std::move(next);
  if (is_news) server.dirty = true;
  if (is_news) schedule_turn();
}

/// The row's newest generation has had its outcome: whoever waits for it may look.
void Supervisor::settle(ManagedServer& server) {
  const registry::Server& row = server.desired.server;
  registry::ServerState& state = server.state;
  server.restart_seq = row.restart_seq;
  server.reload_seq = row.reload_seq;
  if (state.observed_generation == row.generation && state.observed_restart_seq == row.restart_seq &&
      state.observed_reload_seq == row.reload_seq)
    return;
  state.observed_generation = row.generation;
  state.observed_restart_seq = row.restart_seq;
  state.observed_reload_seq = row.reload_seq;
  server.dirty = true;
  schedule_turn();
}

}  // namespace arcus::daemon
