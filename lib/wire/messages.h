#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/wire/config.h"

/// The bodies of the frames between daemon and worker (FrameType), and how they become JSON and back.
namespace arcus::wire {

/// Body of the daemon's `hello`.
struct Hello {
  std::string version;
  std::string worker_group;
  std::string instance;  ///< token of this registry for Via, e.g. "arcus-4f7c09e1"
  std::int64_t threads = 1;
  std::int64_t uid = -1;  ///< to change to; -1 = stay
  std::int64_t gid = -1;
  std::string sandbox = "auto";      ///< auto, require, off
  std::string log_filter = "info";   ///< as ARCUS_LOG
  std::int64_t max_connections = 0;  ///< of the whole worker; 0 = from RLIMIT_NOFILE
  std::int64_t memory_limit_bytes = 0;
};

/// Body of the worker's `ready`, sent once after sandbox and threads are up.
struct Ready {
  std::int64_t pid = 0;
  std::int64_t threads = 0;
  bool no_new_privs = false;
  bool seccomp = false;
  std::int64_t landlock_abi = 0;  ///< 0 = not active
  std::int64_t uid = 0;
};

/// Body of `resolver`: the texts of resolv.conf and hosts, and the addresses of this host's interfaces.
struct ResolverConfig {
  std::string resolv_conf;
  std::string hosts;
  std::vector<std::string> local_addresses;
  bool operator==(const ResolverConfig&) const = default;
};

/// Body of `own_ports`: every port that any server of this daemon listens on. With an address of this host it
/// is never a destination.
struct OwnPortsFrame {
  std::vector<std::uint16_t> ports;
  bool operator==(const OwnPortsFrame&) const = default;
};

/// Body of `counters` (one descriptor: the file, see counters.h). A worker may get several segments.
struct CountersFrame {
  std::int64_t segment = 0;
};

/// Body of `access_log` (one descriptor, append-only): replaces the tenant's. Without a descriptor: records
/// off.
struct AccessLogFrame {
  std::string tenant_id;
};

/// Body of `listen` (one descriptor: the listening socket) and of `unlisten`.
/// unlisten: stop accepting, drain at most drain_timeout_ms (0 = close now), then event `drained`.
/// forget: the server was removed; its snapshot goes when its last connection does.
struct ListenFrame {
  std::int64_t seq = 0;
  std::string server_id;
  std::int64_t drain_timeout_ms = 0;
  bool forget = false;
  std::string reason;  ///< of unlisten: what connections that are cut are said to end of; empty = draining
};

/// Body of `probe`: the next connection from this source port is the daemon's own health check.
struct ProbeFrame {
  std::int64_t seq = 0;
  std::string server_id;
  std::uint16_t source_port = 0;
};

/// Body of `drain`: all servers, then exit.
struct DrainFrame {
  std::int64_t drain_timeout_ms = 30'000;
};

/// Body of `ack`: answers `config` (one per server listed: generation set) and `listen`, `unlisten`, `probe`
/// (seq set).
struct Ack {
  std::int64_t seq = 0;
  std::string server_id;
  std::int64_t generation = 0;
  std::string error;  ///< empty = done; else why not: what was there before stays in force
};

/// Body of `event`, worker to daemon.
struct Event {
  std::string kind;  ///< drained, leaving, backend_up, backend_down, limit, error, refused
  std::string server_id;
  /// Of refused: the Reason and the client's network. Of backend_up and backend_down: its id, who found out
  /// (check, traffic), and what.
  std::string detail;
  std::int64_t value = 0;  ///< of refused: how many
};

/// What the last check of a backend found.
struct BackendStatus {
  std::string backend_id;
  std::string server_id;
  std::int64_t checked_at_ms = 0;  ///< Unix time
  std::int64_t latency_us = 0;
  std::int64_t ok_in_row = 0;
  std::int64_t failed_in_row = 0;
  std::string error;  ///< a sentence; empty = it was good
};

/// Body of `check`: check all backends now, then `ack`.
struct CheckFrame {
  std::int64_t seq = 0;
};

/// Body of `status`, worker to daemon, on request (an empty `status` frame from the daemon).
struct WorkerStatus {
  std::int64_t open_fds = 0;
  std::int64_t active_connections = 0;
  std::int64_t dropped_records = 0;
  std::int64_t loop_delay_p99_us = 0;
  std::vector<BackendStatus> backends;  ///< checked since the last status
  bool is_part = false;                 ///< more of them come in another; only they are filled in
};

std::string to_json(const WorkerConfig& value);
std::string to_json(const Hello& value);
std::string to_json(const Ready& value);
std::string to_json(const ResolverConfig& value);
std::string to_json(const CountersFrame& value);
std::string to_json(const AccessLogFrame& value);
std::string to_json(const ListenFrame& value);
std::string to_json(const OwnPortsFrame& value);
std::string to_json(const ProbeFrame& value);
std::string to_json(const CheckFrame& value);
std::string to_json(const DrainFrame& value);
std::string to_json(const Ack& value);
std::string to_json(const Event& value);
std::string to_json(const WorkerStatus& value);

/// Reads a body of that kind. Unknown keys are ignored, missing ones keep their default.
/// Throws Error (failed) on anything else: a peer that sends it is not to be trusted further. For the types
/// above.
template <typename T>
T from_json(std::string_view text);

}  // namespace arcus::wire
