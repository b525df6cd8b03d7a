#include "lib/registry/servers.h"

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/registry/assign.h"
#include "lib/registry/rules.h"

namespace arcus::registry {

static Server read_server(const Statement& st) {
  Server s;
  int i = 0;
  const auto text = [&](std::string& into) { into = st.column<std::string>(i++); };
  const auto optional = [&](std::optional<std::string>& into) {
    into = st.column<std::optional<std::string>>(i++);
  };
  const auto number = [&](std::int64_t& into) { into = st.integer(i++); };
  const auto flag = [&](bool& into) { into = st.integer(i++) != 0; };
  text(s.id), text(s.tenant_id), text(s.tenant), text(s.name), text(s.type), optional(s.template_name);
  text(s.description), flag(s.enabled), text(s.desired_state), text(s.listen_addr), number(s.listen_port);
  number(s.backlog), flag(s.allow_open), number(s.max_connections), number(s.max_connections_per_client);
  number(s.requests_per_second), number(s.bandwidth_bytes_per_second);
  number(s.connection_timeout_ms), number(s.header_timeout_ms), number(s.keepalive_timeout_ms);
  number(s.response_timeout_ms), number(s.body_timeout_ms), number(s.idle_timeout_ms),
      number(s.drain_timeout_ms);
  flag(s.enable_tls), optional(s.tls_cert_path), optional(s.tls_key_path), optional(s.cert);
  number(s.handshake_timeout_ms);
  text(s.tls_min_version), optional(s.tls_max_version), optional(s.tls_ciphers), optional(s.alpn);
  text(s.auth), text(s.client_auth), optional(s.client_ca_path), text(s.proxy_protocol_in);
  optional(s.proxy_protocol_from), text(s.proxy_protocol_out), text(s.lb), text(s.health_type);
  number(s.health_interval_ms), number(s.health_timeout_ms), text(s.health_path);
  s.health_status = st.column<std::optional<std::int64_t>>(i++);
  number(s.rise), number(s.fall), number(s.slow_start_ms), flag(s.access_log);
  optional(s.access_log_format), text(s.config), text(s.labels), number(s.restart_seq), number(s.reload_seq);
  number(s.generation), text(s.created_at), text(s.updated_at);
  return s;
}

static Statement select_servers(Database& db, std::optional<std::string_view> id,
                                std::optional<std::string_view> tenant_id) {
  return db.query(
      "SELECT s.id, s.tenant_id, t.name, s.name, s.type, s.template, s.description, s.enabled, "
      "s.desired_state, "
      "s.listen_addr, s.listen_port, s.backlog, s.allow_open, s.max_connections, "
      "s.max_connections_per_client, s.requests_per_second, s.bandwidth_bytes_per_second, "
      "s.connection_timeout_ms, s.header_timeout_ms, s.keepalive_timeout_ms, s.response_timeout_ms, "
      "s.body_timeout_ms, "
      "s.idle_timeout_ms, s.drain_timeout_ms, s.enable_tls, s.tls_cert_path, s.tls_key_path, s.cert, "
      "s.handshake_timeout_ms, s.tls_min_version, s.tls_max_version, s.tls_ciphers, s.alpn, s.auth, "
      "s.client_auth, "
      "s.client_ca_path, s.proxy_protocol_in, s.proxy_protocol_from, s.proxy_protocol_out, s.lb, "
      "s.health_type, s.health_interval_ms, s.health_timeout_ms, s.health_path, s.health_status, s.rise, "
      "s.fall, s.slow_start_ms, "
      "s.access_log, "
      "s.access_log_format, s.config, s.labels, s.restart_seq, s.reload_seq, s.generation, s.created_at, "
      "s.updated_at "
      "FROM server s JOIN tenant t ON t.id = s.tenant_id "
      "WHERE (?1 IS NULL OR s.id = ?1) AND (?2 IS NULL OR s.tenant_id = ?2) ORDER BY t.name, s.name",
      id, tenant_id);
}

std::optional<Server> find_server(Database& db, std::string_view id) {
  auto st = select_servers(db, id, std::nullopt);
  if (!st.step()) return std::nullopt;
  return read_server(st);
}

static Server get_server(Database& db, std::string_view id) {
  if (auto server = find_server(db, id)) return *std::move(server);
  throw Error(ErrorKind::not_found, "no server of id '" + std::string{id} + "'")
      .about(std::string{id})
      .with_hint("arcusctl server list");
}

static std::vector<Server> read_all(Statement st) {
  std::vector<Server> out;
  while (st.step()) out.push_back(read_server(st));
  return out;
}

std::vector<Server> list_servers(Database& db) {
  return read_all(select_servers(db, std::nullopt, std::nullopt));
}

std::vector<Server> list_servers(Database& db, std::string_view tenant_id) {
  return read_all(select_servers(db, std::nullopt, tenant_id));
}

ServerState server_state(Database& db, std::string_view server_id) {
  auto st = db.query(
      "SELECT status, status_reason, status_since, observed_generation, observed_restart_seq, "
      "observed_reload_seq, "
      "bound_addr, bound_port, last_error, health FROM server_state WHERE server_id = ?",
      server_id);
  if (!st.step()) return {.server_id = std::string{server_id}};
  auto [status, reason, since, generation, restart_seq, reload_seq, addr, port, last_error, health] =
      st.row<std::string, std::optional<std::string>, std::string, std::int64_t, std::int64_t, std::int64_t,
             std::optional<std::string>, std::optional<std::int64_t>, std::optional<std::string>,
             std::string>();
  return {.server_id = std::string{server_id},
          .status = std::move(status),
          .status_reason = std::move(reason),
          .status_since = std::move(since),
          .observed_generation = generation,
          .observed_restart_seq = restart_seq,
          .observed_reload_seq = reload_seq,
          .bound_addr = std::move(addr),
          .bound_port = port,
          .last_error = std::move(last_error),
          .health = std::move(health)};
}

static bool has_client_rules(Database& db, const Server& server) {
  std::vector<Rule> rules = list_rules(db, server.tenant_id);
  std::erase_if(rules, [&](const Rule& rule) { return rule.server_id && *rule.server_id != server.id; });
  return restrict_clients(rules, {});
}

Surroundings surroundings(Database& db, const Server& server) {
  auto st = db.query(
      "SELECT count(*) FILTER (WHERE role = 'origin'), count(*) FILTER (WHERE role <> 'origin'), "
      "(SELECT count(*) FROM sni_route WHERE server_id = ?1), (SELECT count(*) FROM sni_route WHERE "
      "server_id "
      "= ?1 AND target = 'passthrough' AND pattern LIKE '*%') FROM backend WHERE server_id = ?1",
      server.id);
  st.step();
  auto [backends, parents, routes, any_names] = st.row<std::size_t, std::size_t, std::size_t, std::size_t>();
  return {.backends = backends,
          .parents = parents,
          .routes = routes,
          .passes_any_name = any_names > 0,
          .client_rules = has_client_rules(db, server)};
}

static void require_valid(Database& db, const Server& server, const Catalog& catalog) {
  auto problems = check_server(server, surroundings(db, server), catalog);
  if (problems.empty()) return;
  const std::string first = problems.front();
  if (problems.size() == 1) problems.clear();
  throw Error(ErrorKind::usage, first).about(server.reference()).with_details(problems);
}

void require_valid(Database& db, std::string_view id, const Catalog& catalog) {
  require_valid(db, get_server(db, id), catalog);
}

Server set_server(Database& db, const Catalog& catalog, std::string_view id,
                  const std::vector<Assignment>& assignments) {
  assign(db, server_assign_table(), id, assignments);
  Server server = get_server(db, id);
  require_valid(db, server, catalog);
  return server;
}

Server rename_server(Database& db, std::string_view id, std::string_view name) {
  const Server server = get_server(db, id);
  if (!is_name(name))
    throw Error(ErrorKind::usage,
                "server.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit, not '" +
                    std::string{name} + "'");
  if (server.name != name) db.exec("UPDATE server SET name = ? WHERE id = ?", name, id);
  return get_server(db, id);
}

void remove_server(Database& db, std::string_view id) {
  if (db.exec("DELETE FROM server WHERE id = ?", id) == 0) get_server(db, id);
}

Server want_running(Database& db, std::string_view id) {
  db.exec("UPDATE server SET desired_state = 'running' WHERE id = ? AND desired_state <> 'running'", id);
  return get_server(db, id);
}

Server want_stopped(Database& db, std::string_view id) {
  db.exec("UPDATE server SET desired_state = 'stopped' WHERE id = ? AND desired_state <> 'stopped'", id);
  return get_server(db, id);
}

Server want_restart(Database& db, std::string_view id) {
  db.exec("UPDATE server SET restart_seq = restart_seq + 1, desired_state = 'running' WHERE id = ?", id);
  return get_server(db, id);
}

Server want_reload(Database& db, std::string_view id) {
  db.exec("UPDATE server SET reload_seq = reload_seq + 1 WHERE id = ?", id);
  return get_server(db, id);
}

}  // namespace arcus::registry
