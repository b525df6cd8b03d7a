#include "lib/registry/spec.h"

#include <algorithm>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/registry/rules.h"
#include "lib/registry/settings.h"
#include "lib/registry/tenants.h"

namespace arcus::registry {

/// The first port from the type's default on that no enabled server has registered.
static std::int64_t next_free_port(Database& db, std::int64_t first) {
  auto st = db.query(
      "SELECT DISTINCT listen_port FROM server WHERE enabled AND listen_port >= ? ORDER BY listen_port",
      first);
  std::int64_t port = first;
  while (st.step() && st.integer(0) == port) ++port;
  if (port > 65'535) throw Error(ErrorKind::conflict, "no free port from " + std::to_string(first) + " on");
  return port;
}

static void add_rules(Database& db, const Server& server, const ServerSpec& spec) {
  const auto add = [&](std::string_view action, const std::vector<std::string>& values, bool clients) {
    for (const std::string& value : values) {
      RuleSpec rule{.action = std::string{action}};
      (clients ? rule.client : rule.to) = value;
      add_rule(db, server.tenant_id, server.id, rule);
    }
  };
  add("deny", spec.deny_clients, true);
  add("deny", spec.deny_to, false);
  add("allow", spec.allow_clients, true);
  add("allow", spec.allow_to, false);
  for (const RuleSpec& rule : spec.rules) add_rule(db, server.tenant_id, server.id, rule);
}

static const ServerType& find_type(const Catalog& catalog, std::string_view name) {
  if (const ServerType* type = catalog.find_type(name)) return *type;
  std::vector<std::string> names;
  for (const ServerType* type : catalog.server_types) names.emplace_back(type->name);
  throw Error(ErrorKind::usage, "no server type '" + std::string{name} + "'")
      .about(std::string{name})
      .suggest(nearest_word(name, names).value_or(""))
      .with_hint("types: " + join(names, " "));
}

/// Who has the port, when a registered server does.
static void check_port_free(Database& db, const Server& server) {
  auto st = db.query(
      "SELECT t.name || '/' || s.name FROM server s JOIN tenant t ON t.id = s.tenant_id WHERE s.listen_port "
      "= ?1 AND "
      "s.listen_port <> 0 AND s.enabled AND s.id <> ?3 AND (s.listen_addr = ?2 OR '::' IN (s.listen_addr, "
      "?2) OR "
      "('0.0.0.0' IN (s.listen_addr, ?2) AND s.listen_addr NOT LIKE '%:%' AND ?2 NOT LIKE '%:%')) LIMIT 1",
      server.listen_port, server.listen_addr, server.id);
  if (!st.step()) return;
  const auto owner = st.column<std::string>(0);
  throw Error(ErrorKind::conflict, "server.listen_port: " + server.listen_addr + ":" +
                                       std::to_string(server.listen_port) + " is registered by '" + owner +
                                       "'")
      .about(owner)
      .with_hint("choose another --port, or --port auto");
}

static Server insert_row(Database& db, const Tenant& tenant, const ServerType& type, const ServerSpec& spec) {
  const std::string id = new_id();
  const bool start = spec.start.value_or(load_settings(db).auto_start);
  Server probe{.id = id, .tenant_id = tenant.id, .tenant = tenant.name, .name = spec.name};
  probe.listen_port = spec.any_free_port ? next_free_port(db, type.default_port) : type.default_port;
  for (const Assignment& assignment : spec.assignments) {
    if (!assignment.value) continue;
    if (assignment.key == "listen_port" && !spec.any_free_port)
      probe.listen_port = std::stoll(
          canonical_value(find_column(server_columns(), "listen_port", "server"), *assignment.value));
    if (assignment.key == "listen_addr")
      probe.listen_addr =
          canonical_value(find_column(server_columns(), "listen_addr", "server"), *assignment.value);
    if (assignment.key == "listen") {
      const std::size_t colon = assignment.value->rfind(':');
      const auto endpoint = Endpoint::parse(*assignment.value);
      if (!endpoint || colon == std::string::npos)
        throw Error(ErrorKind::usage, "listen: ADDR:PORT such as 127.0.0.1:8080 or [::1]:8080, not '" +
                                          *assignment.value + "'");
      probe.listen_addr = endpoint->address.to_string();
      if (!spec.any_free_port) probe.listen_port = endpoint->port;
    }
  }
  check_port_free(db, probe);
  db.exec(
      "INSERT INTO server (id, tenant_id, name, type, template, desired_state, listen_addr, listen_port, "
      "enable_tls) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id, tenant.id, spec.name, type.name, spec.template_name, start ? "running" : "stopped",
      probe.listen_addr, probe.listen_port, type.needs_certificate);
  return probe;
}

namespace {
/// What several steps have to say against one spec, each sentence once.
class Problems {
 public:
  /// Runs `step`; what it refuses as a usage error is kept, any other error goes on.
  template <class Step>
  void collect(const Step& step) {
    try {
      step();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) throw;
      for (const std::string& line : error.details()) add(line);
      if (error.details().empty()) add(error.what());
      if (suggestion_.empty()) suggestion_ = error.suggestion();
      if (hint_.empty()) hint_ = error.hint();
    }
  }
  void add(const std::string& line) {
    if (std::ranges::find(lines_, line) == lines_.end()) lines_.push_back(line);
  }
  bool empty() const { return lines_.empty(); }
  [[noreturn]] void fail(const std::string& object) const {
    throw Error(ErrorKind::usage, lines_.front())
        .about(object)
        .suggest(suggestion_)
        .with_hint(hint_)
        .with_details(lines_.size() > 1 ? lines_ : std::vector<std::string>{});
  }

 private:
  std::vector<std::string> lines_;
  std::string suggestion_;
  std::string hint_;
};
}  // namespace

Server add_server(Database& db, const Catalog& catalog, const ServerSpec& wanted) {
  const ServerType& type = find_type(catalog, wanted.type);
  const Tenant tenant = get_tenant(db, wanted.tenant);
  ServerSpec spec = wanted;
  Problems problems;
  if (!is_name(spec.name)) {
    problems.add("server.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit, not '" + spec.name +
                 "'");
    spec.name = new_id();  // stands in until every other mistake is found; nothing of this is committed
  }
  auto taken = db.query("SELECT 1 FROM server WHERE tenant_id = ? AND name = ?", tenant.id, spec.name);
  if (taken.step())
    throw Error(ErrorKind::conflict, "tenant '" + tenant.name + "' already has a server '" + spec.name + "'")
        .about(tenant.name + "/" + spec.name)
        .with_hint("arcusctl server set " + tenant.name + "/" + spec.name + " KEY=VALUE");
  const Server row = insert_row(db, tenant, type, spec);
  for (const BackendSpec& backend : spec.backends)
    problems.collect([&] { add_backend(db, row.id, backend); });
  for (const RouteSpec& route : spec.routes) problems.collect([&] { put_route(db, row.id, route); });
  problems.collect([&] { add_rules(db, row, spec); });
  // The port was chosen above; a template's or `auto` must not be set a second time.
  std::vector<Assignment> rest;
  for (const Assignment& assignment : spec.assignments)
    if (assignment.key != "listen" && assignment.key != "listen_port" && assignment.key != "listen_addr")
      rest.push_back(assignment);
  Server server;
  problems.collect([&] { server = set_server(db, catalog, row.id, rest); });
  if (problems.empty()) return server;
  problems.collect([&] { set_server(db, catalog, row.id, {}); });  // what a refused assignment left unsaid
  problems.fail(tenant.name + "/" + wanted.name);
}

}  // namespace arcus::registry
