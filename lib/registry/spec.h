#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/server_type.h"
#include "lib/registry/backends.h"
#include "lib/registry/routes.h"
#include "lib/registry/rules.h"
#include "lib/registry/servers.h"

namespace arcus::registry {

/// What a command wants to register, before validation: the document's ServerConfigBuilder. Flags win over a
/// file, a file over a template: fill it in that order.
struct ServerSpec {
  std::string type;                          ///< a type's name or the document's ("http_proxy")
  std::string name;                          ///< empty: the template's name with - for _
  std::string tenant;                        ///< name or id
  std::optional<std::string> template_name;  ///< where the values came from
  bool any_free_port = false;                ///< --port auto: the next free one from the type's default on
  std::vector<Assignment> assignments;  ///< columns, `listen`, `config.KEY`, `labels.KEY`; the last one wins
  std::vector<BackendSpec> backends;
  std::vector<RouteSpec> routes;
  std::vector<std::string> allow_clients;  ///< --allow CIDR
  std::vector<std::string> deny_clients;   ///< --deny CIDR
  std::vector<std::string> allow_to;       ///< --allow-to HOST|*.DOM|CIDR
  std::vector<std::string> deny_to;
  std::vector<RuleSpec> rules;  ///< in this order, after those above
  std::optional<bool> start;    ///< nothing: the setting auto_start
};

/// Puts a template's values in front of what `spec` has. Throws Error (not_found) for an unknown one.
void apply_template(Database& db, ServerSpec& spec, std::string_view template_name);

/// Reads `{"max_connections": 500, "config": {…}, "backends": […]}` into `spec` (before its flags). Throws
/// Error (usage) with every unknown key and its nearest word.
void apply_json(ServerSpec& spec, std::string_view json);

/// Validates everything and registers the server with its backends and rules. Throws one Error (usage,
/// not_found or conflict) whose details hold every problem found. Returns the row.
Server add_server(Database& db, const Catalog& catalog, const ServerSpec& spec);

}  // namespace arcus::registry
