#include "lib/registry/desired.h"

#include <map>

#include "lib/db/transaction.h"

namespace arcus::registry {

Desired load_desired(Database& db) {
  const Snapshot snapshot(db);
  Desired out;
  out.settings = load_settings(db);
  std::map<std::string, std::vector<Rule>, std::less<>> server_rules;
  for (Tenant& tenant : list_tenants(db)) {
    std::vector<Rule> own;
    for (Rule& rule : list_rules(db, tenant.id)) {
      if (rule.server_id)
        server_rules[*rule.server_id].push_back(std::move(rule));
      else
        own.push_back(std::move(rule));
    }
    std::vector<User> users = list_users(db, tenant.id);
    out.tenants.push_back({std::move(tenant), std::move(own), std::move(users)});
  }
  for (Server& server : list_servers(db)) {
    ServerState state = server_state(db, server.id);
    std::vector<Backend> backends = list_backends(db, server.id);
    std::vector<Rule> rules = std::move(server_rules[server.id]);
    std::vector<Route> routes = list_routes(db, server.id);
    std::vector<Cert> certs = certs_of(db, server);
    out.servers.push_back({std::move(server), std::move(state), std::move(backends), std::move(rules),
                           std::move(routes), std::move(certs)});
  }
  return out;
}

}  // namespace arcus::registry
