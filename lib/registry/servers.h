#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/server_type.h"
#include "lib/db/database.h"
#include "lib/registry/columns.h"

namespace arcus::registry {

/// A row of `server`: what is wanted. Column names, units and defaults are the schema's.
struct Server {
  std::string id;
  std::string tenant_id;
  std::string tenant;  ///< the tenant's name (joined)
  std::string name;
  std::string type;
  std::optional<std::string> template_name;
  std::string description;
  bool enabled = true;
  std::string desired_state = "running";
  std::string listen_addr = "127.0.0.1";
  std::int64_t listen_port = 0;
  std::int64_t backlog = 1024;
  bool allow_open = false;
  std::int64_t max_connections = 1000;
  std::int64_t max_connections_per_client = 0;
  std::int64_t requests_per_second = 0;
  std::int64_t bandwidth_bytes_per_second = 0;
  std::int64_t connection_timeout_ms = 30'000;
  std::int64_t header_timeout_ms = 10'000;
  std::int64_t keepalive_timeout_ms = 60'000;
  std::int64_t response_timeout_ms = 300'000;
  std::int64_t body_timeout_ms = 60'000;
  std::int64_t idle_timeout_ms = 3'600'000;
  std::int64_t drain_timeout_ms = 30'000;
  bool enable_tls = false;
  std::optional<std::string> tls_cert_path;
  std::optional<std::string> tls_key_path;
  std::optional<std::string> cert;  ///< names of the tenant's certificates, separated by commas
  std::int64_t handshake_timeout_ms = 10'000;
  std::string tls_min_version = "1.2";
  std::optional<std::string> tls_max_version;
  std::optional<std::string> tls_ciphers;
  std::optional<std::string> alpn;
  std::string auth = "none";  ///< who may use it: none (everybody the rules let in), basic or mtls (users)
  std::string client_auth = "none";
  std::optional<std::string> client_ca_path;
  std::string proxy_protocol_in = "off";
  std::optional<std::string> proxy_protocol_from;
  std::string proxy_protocol_out = "off";
  std::string lb = "round_robin";
  std::string health_type = "none";  ///< how backends are checked: none, tcp, tls, http
  std::int64_t health_interval_ms = 30'000;
  std::int64_t health_timeout_ms = 5'000;
  std::string health_path = "/";
  std::optional<std::int64_t> health_status;  ///< that counts as good; nothing: 200 to 399
  std::int64_t rise = 2;
  std::int64_t fall = 3;
  std::int64_t slow_start_ms = 10'000;
  bool access_log = true;
  std::optional<std::string> access_log_format;
  std::string config = "{}";  ///< JSON object: the protocol's own options and x_ keys
  std::string labels = "{}";
  std::int64_t restart_seq = 0;
  std::int64_t reload_seq = 0;
  std::int64_t generation = 1;
  std::string created_at;
  std::string updated_at;

  std::string reference() const { return tenant + "/" + name; }
};

/// What a server is now: `server_state`, or what stands for a missing row.
struct ServerState {
  std::string server_id;
  std::string status = "stopped";
  std::optional<std::string> status_reason;
  std::string status_since;
  std::int64_t observed_generation = 0;
  std::int64_t observed_restart_seq = 0;
  std::int64_t observed_reload_seq = 0;
  std::optional<std::string> bound_addr;
  std::optional<std::int64_t> bound_port;
  std::optional<std::string> last_error;
  std::string health = "unknown";
};

std::optional<Server> find_server(Database& db, std::string_view id);
/// By tenant and name.
std::vector<Server> list_servers(Database& db);
std::vector<Server> list_servers(Database& db, std::string_view tenant_id);
ServerState server_state(Database& db, std::string_view server_id);

/// Throws one Error (usage) with every problem of the server as it stands; after a change of its parts.
void require_valid(Database& db, std::string_view id, const Catalog& catalog);

/// Applies all assignments (columns, `listen=ADDR:PORT`, `config.KEY`, `labels.KEY`) or throws one Error with
/// every problem. Returns the row as it is now, with its new generation.
Server set_server(Database& db, const Catalog& catalog, std::string_view id,
                  const std::vector<Assignment>& assignments);
Server rename_server(Database& db, std::string_view id, std::string_view name);
void remove_server(Database& db, std::string_view id);

/// The lifecycle wishes. Each returns the row with the generation to wait for. A wish that already holds
/// changes nothing.
Server want_running(Database& db, std::string_view id);
Server want_stopped(Database& db, std::string_view id);
Server want_restart(Database& db, std::string_view id);  ///< also makes it wanted running
Server want_reload(Database& db, std::string_view id);

/// Everything wrong with a server as it would be: sentences, each starting with the column's name. Used
/// before every write and by the daemon before it applies a row.
struct Surroundings {
  std::size_t backends = 0;  ///< of role origin
  std::size_t parents = 0;   ///< of the other roles
  std::size_t routes = 0;
  bool passes_any_name = false;  ///< a route with a wildcard passes through
  bool client_rules = false;     ///< the rules of the server and its tenant restrict who may be a client
};
Surroundings surroundings(Database& db, const Server& server);
/// True when everybody who reaches the server may go through it where they like: it forwards, listens on more
/// than loopback, and neither users nor rules nor client certificates restrict who may use it. `allow_open`
/// is not looked at.
bool is_open_proxy(const Server& server, const Surroundings& around, const ServerType& type) noexcept;
std::vector<std::string> check_server(const Server& server, const Surroundings& around,
                                      const Catalog& catalog);

/// `server.config` as the flat map that the data plane reads; nested values stay JSON text.
OptionMap config_map(std::string_view json);

/// The oldest TLS version: tls_min_version, or what the document's custom key `config.tls_version` (TLS1.2,
/// TLS1.3) raises it to. Nothing when that key has another value.
std::optional<std::string> tls_version_of(const Server& server);

}  // namespace arcus::registry
