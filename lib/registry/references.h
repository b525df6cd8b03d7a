#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/servers.h"

namespace arcus::registry {

/// Which servers a command means: references and selectors. All selectors given must hold.
struct Selection {
  std::vector<std::string> references;  ///< tenant/name, name, id, id prefix (`id:4f7c` forces), glob
  std::string tenant;                   ///< scope: -t or ARCUS_TENANT; name or id
  bool all = false;
  std::string type;
  std::string status;
  std::vector<std::string> labels;  ///< key=value
  std::string where;                ///< SQL expression over view server_where

  bool has_selector() const {
    return all || !type.empty() || !status.empty() || !labels.empty() || !where.empty();
  }
};

/// One server. Throws Error: not_found with the nearest name, usage with the candidates when ambiguous.
Server resolve_server(Database& db, std::string_view reference, std::string_view tenant_scope = {});

/// All servers meant, each once: references in the order given, then the rest by tenant and name. With
/// neither references nor selectors: all in the tenant scope. A glob or selector that matches nothing gives
/// an empty result. `where` must have been checked by the caller's authorizer (lib/db/authorizer.h): pass a
/// read-only database.
std::vector<Server> select_servers(Database& db, const Selection& selection);

}  // namespace arcus::registry
