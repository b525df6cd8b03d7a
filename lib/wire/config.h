#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/server_type.h"

/// Everything a worker knows, as plain values. The daemon fills these from the registry and sends them as
/// JSON; the worker builds its immutable snapshots from them. Names are the registry's columns (registry.md,
/// Words).
namespace arcus::wire {

/// A certificate chain with its key, as PEM text: a worker opens no files.
struct CertificateConfig {
  std::string name;  ///< for messages: where it came from
  std::string cert_pem;
  std::string key_pem;
  bool operator==(const CertificateConfig&) const = default;
};

/// How a listener speaks TLS.
struct TlsConfig {
  bool enabled = false;
  std::vector<CertificateConfig> certificates;  ///< chosen by SNI; the first also when no name fits
  std::string min_version = "1.2";              ///< 1.2 or 1.3
  std::string max_version;                      ///< 1.2 or 1.3; empty = the newest
  std::string ciphers;                          ///< OpenSSL's list for TLS 1.2; empty = ECDHE with AEAD
  std::string alpn;                             ///< names separated by commas; empty = the type's own
  std::string client_auth = "none";             ///< none, request, require
  std::string client_ca_pem;                    ///< who may have signed client certificates
  std::vector<std::string> ticket_keys;         ///< 80 bytes each, hex; the first makes new tickets
  bool operator==(const TlsConfig&) const = default;
};

/// Where connections for a server name go. `target`: backends, HOST:PORT, passthrough, reject.
struct RouteConfig {
  std::string pattern;  ///< exact, `*.suffix` or `*`, lower case
  std::string target;
  bool operator==(const RouteConfig&) const = default;
};

struct BackendConfig {
  std::string id;
  std::string host;  ///< name or literal, without brackets
  std::uint16_t port = 0;
  std::int64_t weight = 1;
  bool backup = false;
  std::int64_t max_connections = 0;     ///< 0 = unlimited
  std::string admin_state = "enabled";  ///< enabled, drain, disabled
  std::string role = "origin";          ///< origin, parent_http, parent_https, parent_socks5
  bool tls = false;                     ///< speak TLS to it
  std::string tls_verify = "full";      ///< full (chain and name), ca (chain only), none
  std::string tls_server_name;          ///< for SNI and verification; empty = host
  std::string tls_ca_pem;               ///< authorities to trust; empty = ServerConfig::system_ca_pem
  std::string user_name;                ///< credentials for a parent proxy; empty = none
  std::string password;
  std::string state = "unknown";  ///< last known: up, down, unknown (a new worker starts from it)
  bool operator==(const BackendConfig&) const = default;
};

/// One rule, as the registry has it; empty text = any.
struct RuleConfig {
  std::int64_t number = 0;
  bool allow = false;
  std::string client;       ///< CIDR
  std::string user;         ///< name
  std::string host;         ///< exact or `*.suffix`
  std::string destination;  ///< CIDR
  std::int64_t port_first = 0;
  std::int64_t port_last = 0;  ///< 0 = any port
  std::string method;
  std::string time_window;  ///< "08:00-18:00", UTC
  bool operator==(const RuleConfig&) const = default;
};

struct TenantConfig {
  std::string id;
  std::string name;
  bool enabled = true;
  std::int64_t max_connections = 0;  ///< 0 = unlimited, as all limits below
  std::int64_t max_connections_per_client = 0;
  std::int64_t requests_per_second = 0;
  std::int64_t bandwidth_bytes_per_second = 0;
  std::string egress_addr;  ///< source address of upstream connections; empty = the system's choice
  std::string access_log_format = "squid";
  std::vector<RuleConfig> rules;  ///< by position
  bool operator==(const TenantConfig&) const = default;
};

struct ServerConfig {
  std::string id;
  std::string tenant_id;
  std::string name;
  std::string type;
  std::int64_t generation = 0;
  std::string listen_addr = "127.0.0.1";
  std::uint16_t listen_port = 0;  ///< as bound: never 0 here

  std::int64_t max_connections = 1000;
  std::int64_t max_connections_per_client = 0;
  std::int64_t requests_per_second = 0;
  std::int64_t bandwidth_bytes_per_second = 0;

  std::int64_t connection_timeout_ms = 30'000;
  std::int64_t handshake_timeout_ms = 10'000;
  std::int64_t header_timeout_ms = 10'000;
  std::int64_t keepalive_timeout_ms = 60'000;
  std::int64_t response_timeout_ms = 300'000;
  std::int64_t body_timeout_ms = 60'000;
  std::int64_t idle_timeout_ms = 3'600'000;
  std::int64_t drain_timeout_ms = 30'000;

  TlsConfig tls;
  std::string proxy_protocol_in = "off";   ///< off, v1, v2, any: required when on
  std::string proxy_protocol_from;         ///< CIDRs separated by commas that may send it
  std::string proxy_protocol_out = "off";  ///< off, v1, v2: told to origins and backends

  std::string lb = "round_robin";
  bool access_log = true;
  std::string access_log_format;  ///< empty = the tenant's
  OptionMap config;               ///< the protocol's own options, as text
  std::vector<BackendConfig> backends;
  std::string system_ca_pem;        ///< the host's authorities, when some backend is verified against them
  std::vector<RouteConfig> routes;  ///< by server name (sni)
  std::vector<RuleConfig> rules;    ///< this server's, by position; judged before the tenant's

  std::int64_t counter_segment = 0;  ///< which counter file (see FrameType::counters)
  std::int64_t counter_slot = 0;     ///< the server's index in it
  bool operator==(const ServerConfig&) const = default;
};

/// Body of a `config` frame: what is listed is new or changed; what is not listed stays as it is.
struct WorkerConfig {
  std::vector<TenantConfig> tenants;
  std::vector<ServerConfig> servers;
};

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
  std::string kind;  ///< drained, backend_up, backend_down, limit, error
  std::string server_id;
  std::string detail;
  std::int64_t value = 0;
};

/// Body of `status`, worker to daemon, on request (an empty `status` frame from the daemon).
struct WorkerStatus {
  std::int64_t open_fds = 0;
  std::int64_t active_connections = 0;
  std::int64_t dropped_records = 0;
  std::int64_t loop_delay_p99_us = 0;
};

std::string to_json(const WorkerConfig& value);
std::string to_json(const Hello& value);
std::string to_json(const Ready& value);
std::string to_json(const ResolverConfig& value);
std::string to_json(const CountersFrame& value);
std::string to_json(const AccessLogFrame& value);
std::string to_json(const ListenFrame& value);
std::string to_json(const ProbeFrame& value);
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
