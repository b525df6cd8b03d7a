#include "lib/registry/routes.h"

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"

namespace arcus::registry {

static std::string canonical_pattern(std::string_view text) {
  std::string pattern = to_lower(text);
  if (pattern.ends_with('.') && pattern != "*.") pattern.pop_back();
  if (pattern == "*") return pattern;
  const std::string_view name =
      pattern.starts_with("*.") ? std::string_view{pattern}.substr(2) : std::string_view{pattern};
  if (!is_host_name(name))
    throw Error(ErrorKind::usage,
                "route: a server name such as app.example, *.example or *, not '" + std::string{text} + "'")
        .about(std::string{text});
  if (IpAddress::parse(name))
    throw Error(ErrorKind::usage, "route: clients send no server name for an address such as '" +
                                      std::string{text} + "'; use * for them")
        .about(std::string{text});
  return pattern;
}

static std::string canonical_target(std::string_view text) {
  if (text == "backends" || text == "passthrough" || text == "reject") return std::string{text};
  if (text == "close") return "reject";
  if (const auto place = HostPort::parse(text)) return to_lower(place->to_string());
  throw Error(ErrorKind::usage,
              "route target: HOST:PORT, backends, passthrough or reject, not '" + std::string{text} + "'")
      .about(std::string{text});
}

RouteSpec parse_route(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos)
    throw Error(ErrorKind::usage,
                "route: NAME=TARGET such as app.example=10.0.0.1:443, not '" + std::string{text} + "'")
        .about(std::string{text});
  return {canonical_pattern(text.substr(0, equals)), canonical_target(text.substr(equals + 1))};
}

std::vector<Route> list_routes(Database& db, std::string_view server_id) {
  std::vector<Route> out;
  auto st = db.query(
      "SELECT id, server_id, pattern, target FROM sni_route WHERE server_id = ? "
      "ORDER BY pattern = '*', pattern GLOB '[*]*', pattern",
      server_id);
  while (st.step()) {
    auto [id, server, pattern, target] = st.row<std::string, std::string, std::string, std::string>();
    out.push_back({std::move(id), std::move(server), std::move(pattern), std::move(target)});
  }
  return out;
}

Route get_route(Database& db, std::string_view server_id, std::string_view reference) {
  std::vector<std::string> patterns;
  const std::string wanted = to_lower(reference);
  for (Route& route : list_routes(db, server_id)) {
    if (route.pattern == wanted || route.id == reference) return std::move(route);
    patterns.push_back(route.pattern);
  }
  throw Error(ErrorKind::not_found, "the server has no route '" + std::string{reference} + "'")
      .about(std::string{reference})
      .suggest(nearest_word(reference, patterns).value_or(""));
}

Route put_route(Database& db, std::string_view server_id, const RouteSpec& spec) {
  const auto changed = db.exec(
      "UPDATE sni_route SET target = ?, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') "
      "WHERE server_id = ? AND pattern = ? AND target <> ?",
      spec.target, server_id, spec.pattern, spec.target);
  auto exists =
      db.query("SELECT 1 FROM sni_route WHERE server_id = ? AND pattern = ?", server_id, spec.pattern);
  if (changed == 0 && !exists.step())
    db.exec(
        "INSERT INTO sni_route (id, tenant_id, server_id, pattern, target) "
        "SELECT ?1, tenant_id, id, ?2, ?3 FROM server WHERE id = ?4",
        new_id(), spec.pattern, spec.target, server_id);
  return get_route(db, server_id, spec.pattern);
}

void remove_route(Database& db, std::string_view id) { db.exec("DELETE FROM sni_route WHERE id = ?", id); }

}  // namespace arcus::registry
