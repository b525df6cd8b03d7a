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
    if (server.enable_tls || server.tls_cert_path || server.tls_key_path)
      problems.push_back("enable_tls: type '" + server.type + "' serves no TLS");
    return;
  }
  if (!server.tls_cert_path || !server.tls_key_path)
    problems.push_back("tls_cert_path: type '" + server.type + "' needs a certificate and a key");
}

std::vector<std::string> check_server(const Server& server, std::size_t backends, bool client_rules,
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
  if (type->needs_backend && backends == 0)
    problems.push_back("backends: type '" + server.type + "' needs at least one (--backend HOST:PORT)");
  if (!type->takes_backends && backends > 0)
    problems.push_back("backends: type '" + server.type + "' takes none");
  check_tls(server, *type, problems);
  check_config(server, *type, problems);
  const bool open = type->forwards && backends == 0 && address && !address->is_loopback();
  if (open && !client_rules && !server.allow_open)
    problems.push_back(
        "allow_open: " + server.listen_addr +
        " is reachable from outside and nothing restricts who may use this proxy; either name the clients "
        "(--allow 10.0.0.0/8, or: arcusctl acl add allow --client 10.0.0.0/8), or accept everybody with "
        "--allow-open");
  return problems;
}

}  // namespace arcus::registry
