#include <nlohmann/json.hpp>

#include "lib/base/address.h"
#include "lib/base/text.h"
#include "lib/registry/servers.h"

namespace arcus::registry {

using Json = nlohmann::json;

/// A JSON value as the text that options are checked in: strings bare, the rest as JSON.
static std::string option_text(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

OptionMap config_map(std::string_view json) {
  OptionMap out;
  const Json object = Json::parse(json, nullptr, false);
  if (!object.is_object()) return out;
  for (const auto& [key, value] : object.items()) out[key] = option_text(value);
  return out;
}

std::optional<std::string> tls_version_of(const Server& server) {
  const OptionMap options = config_map(server.config);
  const auto found = options.find("tls_version");
  if (found == options.end() || found->second == "TLS1.2") return server.tls_min_version;
  if (found->second == "TLS1.3") return "1.3";
  return std::nullopt;
}

static void check_config(const Server& server, const ServerType& type, std::vector<std::string>& problems) {
  const Json object = Json::parse(server.config, nullptr, false);
  if (!object.is_object()) {
    problems.emplace_back("config: a JSON object");
    return;
  }
  std::vector<std::string> keys;
  for (const OptionSpec& spec : type.options) keys.emplace_back(spec.key);
  for (const auto& [key, value] : object.items()) {
    if (key.starts_with("x_")) continue;
    if (key == "tls_version" && type.needs_certificate) {
      if (!tls_version_of(server))
        problems.push_back("config.tls_version: TLS1.2 or TLS1.3, not '" + option_text(value) + "'");
      continue;
    }
    const OptionSpec* found = nullptr;
    for (const OptionSpec& spec : type.options)
      if (spec.key == key) found = &spec;
    if (!found) {
      std::string problem = "config." + key + ": type '" + server.type + "' has no such option";
      if (const auto near = nearest_word(key, keys)) problem += ", did you mean " + *near;
      problems.push_back(problem + " (keys that start with x_ are free)");
    } else if (const std::string expected = check_option(*found, option_text(value)); !expected.empty()) {
      problems.push_back("config." + key + ": " + expected + ", not '" + option_text(value) + "'");
    }
  }
}

static void check_tls(const Server& server, const ServerType& type, std::vector<std::string>& problems) {
  if (!type.needs_certificate) {
    if (server.enable_tls || server.tls_cert_path || server.tls_key_path || server.cert)
      problems.push_back("enable_tls: type '" + server.type + "' serves no TLS");
    return;
  }
  if (!server.enable_tls)
    problems.push_back("enable_tls: type '" + server.type + "' never serves without TLS: set it to 1");
  if (!server.tls_cert_path && !server.cert)
    problems.push_back("tls_cert_path: type '" + server.type +
                       "' needs a certificate and a key (--cert cert.pem --key key.pem, or --cert NAME)");
  if (server.cert && (server.tls_cert_path || server.tls_key_path))
    problems.emplace_back(
        "cert: names certificates of the registry, so there are no tls_cert_path and tls_key_path");
  if (server.tls_max_version && *server.tls_max_version < server.tls_min_version)
    problems.push_back("tls_max_version: " + *server.tls_max_version + " is older than tls_min_version " +
                       server.tls_min_version);
  if (server.client_auth != "none" && !server.client_ca_path)
    problems.push_back("client_ca_path: client_auth '" + server.client_auth +
                       "' needs the authorities that sign clients (--client-ca ca.pem)");
}

static void check_auth(const Server& server, const ServerType& type, std::vector<std::string>& problems) {
  if (server.auth != "none" && server.auth != "basic" && server.auth != "mtls")
    problems.push_back("auth: none, basic or mtls, not '" + server.auth + "'");
  else if (server.auth == "basic" && !type.takes_users)
    problems.push_back("auth: type '" + server.type + "' asks for no credentials");
  else if (server.auth == "mtls" && !type.needs_certificate)
    problems.push_back("auth: type '" + server.type + "' sees no client certificates");
  else if (server.auth == "mtls" && server.client_auth != "require")
    problems.emplace_back("auth: mtls needs client certificates (--client-auth require --client-ca ca.pem)");
}

static void check_proxy_protocol(const Server& server, std::vector<std::string>& problems) {
  if (server.proxy_protocol_in != "off" && !server.proxy_protocol_from)
    problems.emplace_back(
        "proxy_protocol_from: proxy_protocol_in needs the networks that may send it "
        "(--proxy-protocol-from 10.0.0.0/8)");
  if (!server.proxy_protocol_from) return;
  for (const std::string& part : split(*server.proxy_protocol_from, ','))
    if (!Cidr::parse(part))
      problems.push_back("proxy_protocol_from: networks such as 10.0.0.0/8, separated by commas, not '" +
                         part + "'");
}

static void check_upstreams(const ServerType& type, const Surroundings& around,
                            std::vector<std::string>& problems) {
  const std::string name{type.name};
  if (type.needs_backend && around.backends == 0)
    problems.push_back("backends: type '" + name + "' needs at least one (--backend HOST:PORT)");
  if (!type.takes_backends && around.backends > 0)
    problems.push_back("backends: type '" + name + "' takes none");
  if (!type.forwards && around.parents > 0)
    problems.push_back("backends: type '" + name + "' uses no parent proxies");
  if (around.parents > 0 && around.backends > 0)
    problems.emplace_back("backends: a server has backends or parent proxies, not both");
  if (!type.takes_routes && around.routes > 0) problems.push_back("routes: type '" + name + "' has none");
  if (type.takes_routes && around.routes == 0 && around.backends == 0)
    problems.push_back("routes: type '" + name + "' needs a route or a backend (--route NAME=HOST:PORT)");
}

bool is_open_proxy(const Server& server, const Surroundings& around, const ServerType& type) noexcept {
  const bool forwards = (type.forwards && around.backends == 0) || around.passes_any_name;
  const auto address = IpAddress::parse(server.listen_addr);
  const bool knows_clients = server.auth != "none" || (server.enable_tls && server.client_auth == "require");
  return forwards && address && !address->is_loopback() && !around.client_rules && !knows_clients;
}

std::vector<std::string> check_server(const Server& server, const Surroundings& around,
                                      const Catalog& catalog) {
  std::vector<std::string> problems;
  const ServerType* type = catalog.find_type(server.type);
  if (!type) {
    std::vector<std::string> names;
    for (const ServerType* known : catalog.server_types) names.emplace_back(known->name);
    problems.push_back("type: no such server type '" + server.type + "', one of " + join(names, " "));
    return problems;
  }
  const auto address = IpAddress::parse(server.listen_addr);
  if (!address) problems.push_back("listen_addr: an IPv4 or IPv6 address, not '" + server.listen_addr + "'");
  if (server.listen_port < 0 || server.listen_port > 65'535)
    problems.emplace_back("listen_port: 1 to 65535, or 0 for any free port");
  bool known_lb = false;
  for (const AlgorithmInfo& algorithm : catalog.algorithms)
    known_lb = known_lb || algorithm.name == server.lb;
  if (!known_lb) problems.push_back("lb: no such algorithm '" + server.lb + "'");
  check_upstreams(*type, around, problems);
  check_tls(server, *type, problems);
  check_auth(server, *type, problems);
  check_proxy_protocol(server, problems);
  check_config(server, *type, problems);
  if (is_open_proxy(server, around, *type) && !server.allow_open)
    problems.push_back(
        "allow_open: " + server.listen_addr +
        " is reachable from outside and nothing restricts who may use this proxy; either name the clients "
        "(--allow 10.0.0.0/8, or: arcusctl acl add allow --client 10.0.0.0/8), or ask for credentials "
        "(--auth "
        "basic), or accept everybody with --allow-open");
  return problems;
}

}  // namespace arcus::registry
