#include "lib/registry/templates.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::registry {

/// The document's PredefinedConfigs for the types that exist; a new type adds its rows.
static constexpr std::array<BuiltinTemplate, 9> table{{
    {"high_performance_http_proxy", "http", "many connections, short waits",
     R"({"type":"http","listen_port":8080,"max_connections":10000,"connection_timeout_ms":10000,"idle_timeout_ms":60000,)"
     R"("backlog":4096,"config":{"pool_idle_per_host":128}})"},
    {"load_balancer", "http", "a reverse proxy in front of backends",
     R"({"type":"http","listen_port":8000,"max_connections":5000,"connection_timeout_ms":5000,"lb":"round_robin","health_type":"tcp","health_interval_ms":10000,"backends":[]})"},
    {"secure_https_proxy", "https", "TLS 1.3 only, users log in, CONNECT to port 443 only",
     R"({"type":"https","listen_port":8443,"max_connections":500,"connection_timeout_ms":15000,"tls_min_version":"1.3","auth":"basic",)"
     R"("config":{"connect_ports":"443"}})"},
    {"standard_http_proxy", "http", "a forward proxy",
     R"({"type":"http","listen_port":8080,"max_connections":1000,"connection_timeout_ms":30000})"},
    {"standard_https_proxy", "https", "a forward proxy over TLS",
     R"({"type":"https","listen_port":8443,"max_connections":500,"connection_timeout_ms":30000})"},
    {"standard_sni_proxy", "sni", "routes by server name without decrypting",
     R"({"type":"sni","listen_port":4443,"max_connections":1000,"connection_timeout_ms":30000})"},
    {"standard_socks_proxy", "socks", "SOCKS4, 4a and 5",
     R"({"type":"socks","listen_port":1080,"max_connections":200,"connection_timeout_ms":30000})"},
    {"standard_tcp_proxy", "tcp", "a relay to backends",
     R"({"type":"tcp","listen_port":9000,"max_connections":1000,"connection_timeout_ms":30000})"},
    {"standard_tls_proxy", "tls", "ends TLS and relays to backends",
     R"({"type":"tls","listen_port":9443,"max_connections":1000,"connection_timeout_ms":30000})"},
}};
static_assert(std::ranges::is_sorted(table, {}, &BuiltinTemplate::name));

std::span<const BuiltinTemplate> builtin_templates() noexcept { return table; }

std::vector<Template> list_templates(Database& db) {
  std::vector<Template> out;
  auto st = db.query(
      "SELECT name, builtin, description, spec, json_extract(spec, '$.type'), "
      "(SELECT count(*) FROM server WHERE server.template = t.name) FROM template t ORDER BY name");
  while (st.step()) {
    auto [name, builtin, description, spec, type, used] =
        st.row<std::string, bool, std::string, std::string, std::string, std::int64_t>();
    out.push_back({std::move(name), builtin, std::move(description), std::move(spec), std::move(type), used});
  }
  return out;
}

Template get_template(Database& db, std::string_view name) {
  std::vector<std::string> names;
  for (Template& row : list_templates(db)) {
    if (row.name == name) return std::move(row);
    names.push_back(row.name);
  }
  throw Error(ErrorKind::not_found, "no template '" + std::string{name} + "'")
      .about(std::string{name})
      .suggest(nearest_word(name, names).value_or(""))
      .with_hint("arcusctl template list");
}

void add_template(Database& db, std::string_view name, std::string_view description, std::string_view spec) {
  if (!is_name(name))
    throw Error(ErrorKind::usage,
                "template.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit, not '" +
                    std::string{name} + "'");
  const auto object = nlohmann::json::parse(spec, nullptr, false);
  if (!object.is_object() || !object.contains("type"))
    throw Error(ErrorKind::usage, "template.spec: a JSON object with a \"type\"");
  auto st = db.query("SELECT 1 FROM template WHERE name = ?", name);
  if (st.step())
    throw Error(ErrorKind::conflict, "there is already a template '" + std::string{name} + "'")
        .about(std::string{name});
  db.exec("INSERT INTO template (name, description, spec) VALUES (?, ?, ?)", name, description,
          object.dump());
}

void remove_template(Database& db, std::string_view name) {
  if (get_template(db, name).builtin)
    throw Error(ErrorKind::conflict, "template '" + std::string{name} + "' is built in")
        .about(std::string{name});
  db.exec("DELETE FROM template WHERE name = ?", name);
}

}  // namespace arcus::registry
