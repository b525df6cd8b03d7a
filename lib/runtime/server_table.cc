#include "lib/runtime/server_table.h"

#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/runtime/preamble.h"
#include "lib/runtime/protocol.h"

namespace arcus {

ServerTable::ServerTable(std::span<const Protocol* const> protocols, std::size_t threads,
                         std::shared_ptr<WorkerFacts> facts, Tallies& tallies, std::function<void()> log_wake)
    : protocols_(protocols),
      threads_(threads),
      facts_(std::move(facts)),
      tallies_(tallies),
      log_wake_(std::move(log_wake)) {}

void ServerTable::add_segment(std::int64_t segment, UniqueFd file) {
  if (segments_.contains(segment)) throw Error{ErrorKind::failed, "counter file given twice"};
  wire::CounterMap map(file.get());
  if (map.threads() < threads_) throw Error{ErrorKind::failed, "counter file has too few threads"};
  if (map.holds_tallies()) tallies_.add(segment, map);
  segments_.emplace(segment, Segment{std::move(file), std::move(map)});
}

void ServerTable::check_slot(const wire::ServerConfig& server) const {
  const auto it = segments_.find(server.counter_segment);
  if (it == segments_.end() || it->second.map.holds_tallies() || server.counter_slot < 0 ||
      static_cast<std::size_t>(server.counter_slot) >= it->second.map.entries())
    throw Error{ErrorKind::failed, "no counter slot " + std::to_string(server.counter_slot)};
}

wire::CounterSlot& ServerTable::slot(const ServerConfig& config, std::size_t thread) const {
  return segments_.at(config.wire.counter_segment)
      .map.slot(thread, static_cast<std::size_t>(config.wire.counter_slot));
}

ServerTable::Tenant& ServerTable::tenant(const std::string& id) {
  Tenant& one = tenants_[id];
  if (!one.log) one.log = std::make_shared<AccessLog>(threads_, log_wake_);
  return one;
}

void ServerTable::put_tenant(const wire::TenantConfig& config) {
  Tenant& one = tenant(config.id);
  one.config = std::make_shared<const wire::TenantConfig>(config);
  one.users = std::make_shared<const UserTable>(config.users, one.users.get());
  one.limits->connections.set_limit(config.max_connections);
  one.limits->clients.set_limit(config.max_connections_per_client);
  one.limits->set_rates(config.requests_per_second, config.bandwidth_bytes_per_second);
}

void ServerTable::set_access_log(const std::string& tenant_id, UniqueFd file) {
  tenant(tenant_id).log->set_file(std::move(file));
}

static AdminState admin_state_of(std::string_view name) {
  if (name == "enabled") return AdminState::enabled;
  if (name == "drain") return AdminState::drain;
  if (name == "disabled") return AdminState::disabled;
  throw Error{ErrorKind::failed, "unknown backend state \"" + std::string(name) + "\""};
}

static BackendRole role_of(std::string_view name) {
  if (name == "origin") return BackendRole::origin;
  if (name == "parent_http") return BackendRole::parent_http;
  if (name == "parent_https") return BackendRole::parent_https;
  if (name == "parent_socks5") return BackendRole::parent_socks5;
  throw Error{ErrorKind::failed, "unknown backend role \"" + std::string(name) + "\""};
}

static int proxy_version_of(std::string_view word) {
  if (word == "off") return 0;
  if (word == "v1" || word == "v2") return word == "v1" ? 1 : 2;
  throw Error{ErrorKind::failed, "proxy_protocol_out: \"" + std::string(word) + "\" is none of off, v1, v2"};
}

/// The server's backends, or its parent proxies.
static std::vector<BackendSpec> specs_of(const wire::ServerConfig& server, bool parents) {
  std::vector<BackendSpec> specs;
  for (const wire::BackendConfig& backend : server.backends) {
    if ((role_of(backend.role) != BackendRole::origin) != parents) continue;
    specs.push_back({.id = backend.id,
                     .tally = backend.tally,
                     .host = backend.host,
                     .port = backend.port,
                     .weight = backend.weight,
                     .backup = backend.backup,
                     .max_connections = backend.max_connections,
                     .admin_state = admin_state_of(backend.admin_state),
                     .role = role_of(backend.role),
                     .tls = backend.tls,
                     .tls_verify = backend.tls_verify,
                     .tls_server_name = backend.tls_server_name,
                     .tls_ca_pem = backend.tls_ca_pem.empty() ? server.system_ca_pem : backend.tls_ca_pem,
                     .user_name = backend.user_name,
                     .password = backend.password,
                     .known_down = backend.state == "down"});
  }
  return specs;
}

std::vector<policy::RuleText> rule_texts(const std::vector<wire::RuleConfig>& rules) {
  std::vector<policy::RuleText> texts;
  for (const wire::RuleConfig& rule : rules) {
    texts.push_back({.number = rule.number,
                     .allow = rule.allow,
                     .client = rule.client,
                     .user = rule.user,
                     .host = rule.host,
                     .destination = rule.destination,
                     .port_first = rule.port_first,
                     .port_last = rule.port_last,
                     .method = rule.method,
                     .time_window = rule.time_window,
                     .tally = rule.tally});
  }
  return texts;
}

ServerEntry& ServerTable::put_server(const wire::ServerConfig& server) {
  const auto tenant_row = tenants_.find(server.tenant_id);
  if (tenant_row == tenants_.end() || !tenant_row->second.config)
    throw Error{ErrorKind::failed, "no tenant \"" + server.tenant_id + "\""};
  const Tenant& owner = tenant_row->second;
  const auto protocol =
      std::ranges::find(protocols_, server.type, [](const Protocol* p) { return p->type.name; });
  if (protocol == protocols_.end()) throw Error{ErrorKind::failed, "no server type \"" + server.type + "\""};
  check_slot(server);
  const ServerEntry* old = find(server.id);

  auto config = std::make_shared<ServerConfig>();
  config->wire = server;
  config->tenant = owner.config;
  config->facts = facts_;
  config->protocol = *protocol;
  config->options = Options((*protocol)->type.options, server.config);
  config->number = old ? old->config->number : ++next_number_;
  config->backends = std::make_shared<const BackendSet>(specs_of(server, false), server.lb,
                                                        old ? old->config->backends.get() : nullptr);
  config->parents = std::make_shared<const BackendSet>(specs_of(server, true), server.lb,
                                                       old ? old->config->parents.get() : nullptr);
  config->proxy_out = proxy_version_of(server.proxy_protocol_out);
  config->preamble = PreambleConfig::make(server, **protocol, old ? old->config.get() : nullptr);
  config->policy =
      std::make_shared<const policy::Policy>(rule_texts(server.rules), rule_texts(owner.config->rules));
  if (server.auth != "none") {
    config->users_by_certificate = server.auth == "mtls";
    if (server.auth != "basic" && !config->users_by_certificate)
      throw Error{ErrorKind::failed, "auth is none, basic or mtls, not \"" + server.auth + "\""};
    if (config->users_by_certificate && server.tls.client_auth != "require")
      throw Error{ErrorKind::failed, "auth mtls needs client_auth require"};
    if (!config->users_by_certificate && !(*protocol)->type.takes_users)
      throw Error{ErrorKind::failed, "type \"" + server.type + "\" asks for no credentials"};
    config->users = owner.users;
  }
  config->limits = old ? old->config->limits
                       : std::make_shared<const ServerLimits>(
                             ServerLimits{worker_, owner.limits, std::make_shared<LimitGroup>()});
  if (server.access_log) config->access_log = owner.log;
  const std::string& format =
      server.access_log_format.empty() ? owner.config->access_log_format : server.access_log_format;
  config->access_format = access_format(format);
  if ((*protocol)->make_config) config->protocol_config = (*protocol)->make_config(*config);

  const HealthTerms terms{.fall = static_cast<int>(server.fall),
                          .rise = static_cast<int>(server.rise),
                          .slow_start = std::chrono::milliseconds{server.slow_start_ms},
                          .is_checked = server.health_type != "none"};
  for (const auto& set : {config->backends, config->parents})
    for (const Backend& backend : set->all()) backend.health->set_terms(terms);

  // Nothing can fail any more: from here on the new limits hold.
  config->limits->server->connections.set_limit(server.max_connections);
  config->limits->server->clients.set_limit(server.max_connections_per_client);
  config->limits->server->set_rates(server.requests_per_second, server.bandwidth_bytes_per_second);
  ServerEntry& entry = servers_[server.id];
  entry.config = std::move(config);
  return entry;
}

ServerEntry* ServerTable::find(std::string_view server_id) noexcept {
  const auto it = servers_.find(server_id);
  return it == servers_.end() ? nullptr : &it->second;
}

void ServerTable::erase(std::string_view server_id) {
  if (const auto it = servers_.find(server_id); it != servers_.end()) servers_.erase(it);
}

std::size_t ServerTable::flush_logs() {
  std::size_t lost = 0;
  for (auto& [id, one] : tenants_)
    if (one.log) lost += one.log->flush();
  return lost;
}

}  // namespace arcus
