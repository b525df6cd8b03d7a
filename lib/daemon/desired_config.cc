#include "lib/daemon/desired_config.h"

#include <algorithm>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

namespace arcus::daemon {

static wire::RuleConfig rule_config(const registry::Rule& rule) {
  return {.id = rule.id,
          .number = rule.number,
          .allow = rule.action == "allow",
          .client = rule.client.value_or(""),
          .user = rule.user.value_or(""),
          .host = rule.host.value_or(""),
          .destination = rule.destination.value_or(""),
          .port_first = rule.port_first.value_or(0),
          .port_last = rule.port_last.value_or(rule.port_first.value_or(0)),
          .method = rule.method.value_or(""),
          .time_window = rule.time_window.value_or("")};
}

std::vector<wire::RuleConfig> rule_configs(const std::vector<registry::Rule>& rules) {
  std::vector<wire::RuleConfig> out;
  out.reserve(rules.size());
  for (const auto& rule : rules) out.push_back(rule_config(rule));
  return out;
}

std::vector<wire::UserConfig> user_configs(const std::vector<registry::User>& users) {
  const std::string now = now_text();
  std::vector<wire::UserConfig> out;
  for (const registry::User& user : users)
    out.push_back({.name = user.name,
                   .password_hash = user.password_hash,
                   .enabled = user.may_log_in(now),
                   .id = user.id,
                   .max_connections = user.max_connections,
                   .requests_per_second = user.requests_per_second,
                   .bandwidth_bytes_per_second = user.bandwidth_bytes_per_second});
  return out;
}

static wire::BackendConfig backend_config(const registry::Backend& backend) {
  const auto place = HostPort::parse(backend.address);
  if (!place) throw Error{ErrorKind::failed, "backend '" + backend.address + "': not HOST:PORT"};
  return {.id = backend.id,
          .host = place->host,
          .port = place->port,
          .weight = backend.weight,
          .backup = backend.backup,
          .max_connections = backend.max_connections,
          .admin_state = backend.admin_state,
          .role = backend.role,
          .tls = backend.tls,
          .tls_verify = backend.tls_verify,
          .tls_server_name = backend.tls_server_name.value_or(""),
          .tls_ca_pem = {},
          .user_name = backend.user_name.value_or(""),
          .password = {},
          .state = backend.state};
}

/// Without the certificates and authorities: those are files, which certificates.h reads.
static wire::TlsConfig tls_config(const registry::Server& row) {
  wire::TlsConfig out;
  out.enabled = row.enable_tls;
  out.min_version = registry::tls_version_of(row).value_or(row.tls_min_version);
  out.max_version = row.tls_max_version.value_or("");
  out.ciphers = row.tls_ciphers.value_or("");
  out.alpn = row.alpn.value_or("");
  out.client_auth = row.client_auth;
  return out;
}

static std::vector<wire::RouteConfig> route_configs(const registry::DesiredServer& desired) {
  std::vector<wire::RouteConfig> out;
  for (const registry::Route& route : desired.routes) out.push_back({route.pattern, route.target});
  return out;
}

wire::TenantConfig tenant_config(const registry::DesiredTenant& desired) {
  wire::TenantConfig out;
  out.id = desired.tenant.id;
  out.name = desired.tenant.name;
  out.enabled = desired.tenant.enabled;
  out.max_connections = desired.tenant.max_connections;
  out.max_connections_per_client = desired.tenant.max_connections_per_client;
  out.requests_per_second = desired.tenant.requests_per_second;
  out.bandwidth_bytes_per_second = desired.tenant.bandwidth_bytes_per_second;
  out.access_log_format = desired.tenant.access_log_format;
  out.rules = rule_configs(desired.rules);
  out.users = user_configs(desired.users);
  return out;
}

wire::ServerConfig server_config(const registry::DesiredServer& desired) {
  const registry::Server& row = desired.server;
  wire::ServerConfig out;
  out.id = row.id;
  out.tenant_id = row.tenant_id;
  out.name = row.name;
  out.type = row.type;
  out.generation = row.generation;
  out.listen_addr = row.listen_addr;
  out.listen_port = static_cast<std::uint16_t>(row.listen_port);
  out.max_connections = row.max_connections;
  out.max_connections_per_client = row.max_connections_per_client;
  out.requests_per_second = row.requests_per_second;
  out.bandwidth_bytes_per_second = row.bandwidth_bytes_per_second;
  out.connection_timeout_ms = row.connection_timeout_ms;
  out.handshake_timeout_ms = row.handshake_timeout_ms;
  out.header_timeout_ms = row.header_timeout_ms;
  out.keepalive_timeout_ms = row.keepalive_timeout_ms;
  out.response_timeout_ms = row.response_timeout_ms;
  out.body_timeout_ms = row.body_timeout_ms;
  out.idle_timeout_ms = row.idle_timeout_ms;
  out.drain_timeout_ms = row.drain_timeout_ms;
  out.auth = row.auth;
  out.tls = tls_config(row);
  out.proxy_protocol_in = row.proxy_protocol_in;
  out.proxy_protocol_from = row.proxy_protocol_from.value_or("");
  out.proxy_protocol_out = row.proxy_protocol_out;
  out.lb = row.lb;
  out.health_type = row.health_type;
  out.health_interval_ms = row.health_interval_ms;
  out.health_timeout_ms = row.health_timeout_ms;
  out.health_path = row.health_path;
  out.health_status = row.health_status.value_or(0);
  out.rise = row.rise;
  out.fall = row.fall;
  out.slow_start_ms = row.slow_start_ms;
  out.access_log = row.access_log;
  out.access_log_format = row.access_log_format.value_or("");
  out.config = registry::config_map(row.config);
  for (const auto& backend : desired.backends) out.backends.push_back(backend_config(backend));
  out.rules = rule_configs(desired.rules);
  out.routes = route_configs(desired);
  return out;
}

/// What the named CHECKs of the schema hold, for files whose checks were switched off.
struct Range {
  std::string_view column;
  std::int64_t registry::Server::*value;
  std::int64_t min = 0;
  std::int64_t max = 0;  ///< 0 = no upper bound
};

static constexpr Range ranges[] = {
    {"backlog", &registry::Server::backlog, 1, 65'535},
    {"bandwidth_bytes_per_second", &registry::Server::bandwidth_bytes_per_second},
    {"body_timeout_ms", &registry::Server::body_timeout_ms},
    {"connection_timeout_ms", &registry::Server::connection_timeout_ms},
    {"drain_timeout_ms", &registry::Server::drain_timeout_ms},
    {"fall", &registry::Server::fall, 1, 100},
    {"handshake_timeout_ms", &registry::Server::handshake_timeout_ms},
    {"header_timeout_ms", &registry::Server::header_timeout_ms},
    {"health_interval_ms", &registry::Server::health_interval_ms, 100},
    {"health_timeout_ms", &registry::Server::health_timeout_ms, 1},
    {"idle_timeout_ms", &registry::Server::idle_timeout_ms},
    {"keepalive_timeout_ms", &registry::Server::keepalive_timeout_ms},
    {"max_connections", &registry::Server::max_connections},
    {"max_connections_per_client", &registry::Server::max_connections_per_client},
    {"requests_per_second", &registry::Server::requests_per_second},
    {"response_timeout_ms", &registry::Server::response_timeout_ms},
    {"rise", &registry::Server::rise, 1, 100},
    {"slow_start_ms", &registry::Server::slow_start_ms},
};
static_assert(std::ranges::is_sorted(ranges, {}, &Range::column));

static void check_ranges(const registry::Server& row, std::vector<std::string>& problems) {
  for (const Range& range : ranges) {
    const std::int64_t value = row.*range.value;
    if (value >= range.min && (range.max == 0 || value <= range.max)) continue;
    problems.push_back(std::string{range.column} + ": " + std::to_string(value) + " is out of range");
  }
}

std::vector<std::string> problems_of(const std::vector<registry::Rule>& rules) {
  std::vector<std::string> problems;
  for (const registry::Rule& rule : rules)
    if (rule.user_id && !rule.user)  // which would mean everybody
      problems.push_back("acl: rule " + std::to_string(rule.number) + " names a user that is not there");
  return problems;
}

std::vector<std::string> problems_of(const registry::DesiredServer& desired,
                                     const registry::DesiredTenant& tenant, const Catalog& catalog) {
  registry::Surroundings around;
  for (const registry::Backend& backend : desired.backends)
    ++(backend.role == "origin" ? around.backends : around.parents);
  around.routes = desired.routes.size();
  around.passes_any_name = std::ranges::any_of(desired.routes, [](const registry::Route& route) {
    return route.target == "passthrough" && route.pattern.starts_with('*');
  });
  around.client_rules = registry::restrict_clients(desired.rules, tenant.rules);
  try {
    auto problems = registry::check_server(desired.server, around, catalog);
    check_ranges(desired.server, problems);
    const std::size_t named = desired.server.cert ? split(*desired.server.cert, ',').size() : 0;
    if (named != desired.certs.size())
      problems.push_back("cert: the tenant has not all of \"" + *desired.server.cert + "\"");
    for (const auto* rules : {&desired.rules, &tenant.rules})
      for (std::string& problem : problems_of(*rules)) problems.push_back(std::move(problem));
    if (problems.empty()) server_config(desired);
    return problems;
  } catch (const Error& error) {
    return {error.what()};
  }
}

}  // namespace arcus::daemon
