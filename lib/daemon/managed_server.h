#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "lib/daemon/backoff.h"
#include "lib/daemon/listen_socket.h"
#include "lib/registry/desired.h"
#include "lib/wire/messages.h"

namespace arcus::daemon {

class Worker;

/// A listening socket with what it was made for. Numbers tell one from its successor.
struct Listener {
  ListenSocket socket;
  Endpoint wanted;
  std::int64_t backlog = 0;
  std::int64_t number = 0;
};

/// A configuration and the version that names it between daemon and worker.
struct VersionedConfig {
  wire::ServerConfig server;
  wire::TenantConfig tenant;
  std::int64_t version = 0;
};

/// Why a suspended tenant's servers do not run: their connections end at once.
inline constexpr std::string_view tenant_is_disabled = "tenant disabled";

/// How long connections may go on after the next stop, if that comes before `expires`.
struct DrainOrder {
  std::chrono::milliseconds limit{0};
  std::chrono::steady_clock::time_point expires;
};

/// One server as the supervisor has it: what is wanted, what holds, what was told to whom.
struct ManagedServer {
  registry::DesiredServer desired;
  bool removed = false;      ///< gone from the registry; kept until it is drained
  std::string not_wanted;    ///< why it must not run although its own row says so; "" = no such reason
  std::int64_t held_at = 0;  ///< run --no-auto-start: not wanted while the generation is this one
  std::int64_t seen_generation = 0;  ///< of the row that `config` or `rejection` came from
  std::int64_t restart_seq = 0;      ///< as carried out
  std::int64_t reload_seq = 0;       ///< as carried out

  std::optional<VersionedConfig> config;  ///< what the worker shall have
  std::optional<VersionedConfig> good;    ///< what a worker accepted last
  std::string rejection;  ///< why the row's newest generation is not in force; "" = it is, or will be
  bool is_waiting_for_port = false;  ///< an orphan of the last daemon still has it

  std::optional<Listener> listener;
  std::optional<Listener> old_listener;  ///< goes on until the worker took `listener`

  Worker* worker = nullptr;
  std::deque<std::int64_t> versions_in_flight;  ///< config frames not acknowledged yet
  std::int64_t sent_version = 0;                ///< to this run of the worker, as all below
  std::int64_t acked_version = 0;
  std::int64_t listen_sent = 0;  ///< number of the listener
  std::int64_t listen_acked = 0;
  bool draining = false;  ///< told to stop; the event `drained` is awaited
  std::optional<DrainOrder> drain_order;

  Backoff backoff;
  std::optional<std::chrono::steady_clock::time_point> retry_at;

  registry::ServerState state;
  bool dirty = false;  ///< `state` is not written yet

  const std::string& id() const noexcept { return desired.server.id; }
  bool is_wanted() const noexcept {
    return !removed && not_wanted.empty() && desired.server.desired_state == "running" &&
           held_at != desired.server.generation;
  }
  bool is_serving() const noexcept { return listen_acked != 0; }
  bool is_suspended() const noexcept { return not_wanted == tenant_is_disabled; }
  /// Tells a worker to stop it, and let its connections go on for `drain`.
  wire::ListenFrame unlisten_frame(std::chrono::milliseconds drain) const {
    return {.server_id = id(),
            .drain_timeout_ms = drain.count(),
            .forget = removed,
            .reason = is_suspended() ? "tenant_disabled" : ""};
  }
  /// Forgets what the worker knew: it is another process now, or none.
  void forget_worker_state() {
    versions_in_flight.clear();
    sent_version = acked_version = listen_sent = listen_acked = 0;
    draining = false;
  }
};

}  // namespace arcus::daemon
