#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus::registry {

/// A row of `sni_route`: where connections for a server name go.
struct Route {
  std::string id;
  std::string server_id;
  std::string pattern;  ///< host name, `*.suffix` or `*`, lower case
  std::string target;   ///< backends, passthrough, reject or HOST:PORT
};

/// A route as typed: "app.example=10.0.0.1:443", "*.example=backends", "*=reject".
struct RouteSpec {
  std::string pattern;
  std::string target;
};

/// Throws Error (usage) with a sentence.
RouteSpec parse_route(std::string_view text);

/// Adds a route, or gives an existing pattern another target.
Route put_route(Database& db, std::string_view server_id, const RouteSpec& spec);
/// In the order of judgement: exact names, suffixes, `*`.
std::vector<Route> list_routes(Database& db, std::string_view server_id);
/// By pattern or id within a server. Throws Error (not_found) with the nearest pattern.
Route get_route(Database& db, std::string_view server_id, std::string_view reference);
void remove_route(Database& db, std::string_view id);

}  // namespace arcus::registry
