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
  std::uint32_t tally = 0;  ///< where it counts (wire::tally_place); filled when it is sent
  std::string host;         ///< name or literal, without brackets
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
  std::string id;           ///< not sent
  std::uint32_t tally = 0;  ///< as of BackendConfig
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

/// A user of the tenant.
struct UserConfig {
  std::string name;
  std::string password_hash;
  bool enabled = true;               ///< and not expired
  std::string id = {};               ///< not sent
  std::uint32_t tally = 0;           ///< as of BackendConfig
  std::int64_t max_connections = 0;  ///< over all servers; 0 = unlimited, as the limits below
  std::int64_t requests_per_second = 0;
  std::int64_t bandwidth_bytes_per_second = 0;
  bool operator==(const UserConfig&) const = default;
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
  std::vector<UserConfig> users;  ///< by name
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

  std::string auth = "none";  ///< none, basic, mtls
  TlsConfig tls;
  std::string proxy_protocol_in = "off";   ///< off, v1, v2, any: required when on
  std::string proxy_protocol_from;         ///< CIDRs separated by commas that may send it
  std::string proxy_protocol_out = "off";  ///< off, v1, v2: told to origins and backends

  std::string lb = "round_robin";
  std::string health_type = "none";  ///< none, tcp, tls, http
  std::int64_t health_interval_ms = 30'000;
  std::int64_t health_timeout_ms = 5'000;
  std::string health_path = "/";
  std::int64_t health_status = 0;  ///< that is good; 0 = 200 to 399
  std::int64_t rise = 2;
  std::int64_t fall = 3;
  std::int64_t slow_start_ms = 10'000;
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

}  // namespace arcus::wire
