#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/base/server_type.h"
#include "lib/daemon/paths.h"
#include "lib/db/database.h"
#include "lib/registry/catalog.h"
#include "lib/registry/mutation.h"
#include "lib/registry/servers.h"
#include "lib/registry/spec.h"
#include "lib/registry/tenants.h"
#include "tests/unit/daemon/support.h"

/// A registry in a folder of its own, with one protocol.
struct TestRegistry {
  TestRegistry()
      : paths{arcus::daemon::paths_for(folder.path / "a.db")}, db{paths.db, arcus::OpenMode::create} {
    arcus::registry::prepare_registry(db, catalog());
    std::filesystem::create_directories(paths.run_dir);
  }

  static const arcus::Catalog& catalog() {
    static constexpr arcus::ServerType tcp{
        .name = "tcp", .title = "TCP Proxy", .summary = "relay", .takes_backends = true};
    static constexpr const arcus::ServerType* types[] = {&tcp};
    static constexpr arcus::AlgorithmInfo algorithms[] = {{"round_robin", "each in turn"}};
    static constexpr arcus::Catalog catalog{.server_types = types, .algorithms = algorithms};
    return catalog;
  }

  void change(const auto& body, const char* via = "cli") {
    arcus::registry::Mutation mutation{db, {.name = "test", .via = via, .reason = {}}};
    body();
    mutation.commit();
  }

  arcus::registry::Server add(std::string_view tenant, std::string_view name,
                              std::vector<arcus::registry::Assignment> assignments = {}) {
    arcus::registry::Server out;
    change([&] {
      if (!arcus::registry::find_tenant(db, tenant))
        arcus::registry::add_tenant(db, {.name = std::string{tenant}});
      arcus::registry::ServerSpec spec;
      spec.type = "tcp";
      spec.name = name;
      spec.tenant = tenant;
      spec.assignments = std::move(assignments);
      spec.start = true;
      out = arcus::registry::add_server(db, catalog(), spec);
    });
    return out;
  }

  void set(const arcus::registry::Server& server, std::vector<arcus::registry::Assignment> assignments) {
    change([&] { arcus::registry::set_server(db, catalog(), server.id, assignments); });
  }

  arcus::registry::ServerState state(const arcus::registry::Server& server) {
    return arcus::registry::server_state(db, server.id);
  }

  std::int64_t number(std::string_view sql) {
    auto statement = db.query(sql);
    return statement.step() ? statement.integer(0) : -1;
  }

  TestFolder folder;
  arcus::daemon::Paths paths;
  arcus::Database db;
};
