#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/backends.h"
#include "lib/registry/certs.h"
#include "lib/registry/routes.h"
#include "lib/registry/rules.h"
#include "lib/registry/servers.h"
#include "lib/registry/settings.h"
#include "lib/registry/tenants.h"
#include "lib/registry/users.h"

namespace arcus::registry {

/// A server with all that its configuration is made of.
struct DesiredServer {
  Server server;
  ServerState state;
  std::vector<Backend> backends;
  std::vector<Rule> rules;  ///< its own, by position
  std::vector<Route> routes;
  std::vector<Cert> certs;  ///< that it shows, in its order
};

struct DesiredTenant {
  Tenant tenant;
  std::vector<Rule> rules;  ///< the tenant's, by position
  std::vector<User> users;  ///< by name
};

/// Everything the daemon works towards, from one snapshot of the file.
struct Desired {
  Settings settings;
  std::vector<DesiredTenant> tenants;
  std::vector<DesiredServer> servers;
};
Desired load_desired(Database& db);

}  // namespace arcus::registry
