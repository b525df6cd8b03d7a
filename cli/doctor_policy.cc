#include <algorithm>

#include "cli/doctor_checks.h"
#include "lib/base/address.h"
#include "lib/base/server_type.h"
#include "lib/base/time.h"
#include "lib/registry/rules.h"
#include "lib/registry/tenants.h"
#include "lib/registry/users.h"

namespace arcus::cli::doctor {

/// Where clouds hand out credentials to whoever asks.
static constexpr std::string_view metadata_addresses[] = {"169.254.169.254", "fd00:ec2::254"};

Findings look_for_open_proxies(const Patient& patient) {
  Findings found;
  for (const registry::Server& server : patient.servers) {
    const ServerType* type = patient.context.catalog().find_type(server.type);
    if (type == nullptr ||
        !registry::is_open_proxy(server, registry::surroundings(*patient.db, server), *type))
      continue;
    found.push_back(
        {server.allow_open ? State::warn : State::error,
         server.reference() + " is an open proxy: everybody who reaches " + listen_of(server) + " may use it",
         "arcusctl acl add allow --client 10.0.0.0/8 --server " + server.reference()});
  }
  if (found.empty()) found.push_back({State::ok, "no open proxy"});
  return found;
}

static bool covers(const registry::Rule& rule, std::string_view text) {
  const auto network = rule.destination ? Cidr::parse(*rule.destination) : std::nullopt;
  const auto address = IpAddress::parse(text);
  return network && address && network->contains(*address);
}

/// A rule that is judged earlier, in the same list, denies the address to everybody.
static bool is_closed_before(const std::vector<registry::Rule>& rules, const registry::Rule& rule,
                             std::string_view text) {
  return std::ranges::any_of(rules, [&](const registry::Rule& other) {
    return other.server_id == rule.server_id && other.position < rule.position && other.action == "deny" &&
           !other.client && !other.user_id && !other.port_first && !other.method && !other.time_window &&
           covers(other, text);
  });
}

Findings look_for_metadata(const Patient& patient) {
  Findings found;
  for (const registry::Tenant& tenant : registry::list_tenants(*patient.db)) {
    const auto rules = registry::list_rules(*patient.db, tenant.id);
    for (const registry::Rule& rule : rules)
      for (const std::string_view text : metadata_addresses)
        if (rule.action == "allow" && covers(rule, text) && !is_closed_before(rules, rule, text))
          found.push_back({State::warn,
                           "rule " + std::to_string(rule.number) + " of " + tenant.name + " opens " +
                               *rule.destination + ", and with it " + std::string{text} +
                               ": in a cloud, clients get this host's credentials there",
                           "arcusctl acl add deny --to " + std::string{text} + " --before " +
                               std::to_string(rule.number) + " -t " + tenant.name});
  }
  if (found.empty()) found.push_back({State::ok, "no rule opens a cloud's metadata address"});
  return found;
}

Findings look_at_users(const Patient& patient) {
  Findings found;
  for (const registry::Server& server : patient.servers) {
    if (server.auth == "none") continue;
    const auto users = registry::list_users(*patient.db, server.tenant_id);
    const std::string now = now_text();
    if (std::ranges::any_of(users, [&now](const auto& user) { return user.may_log_in(now); })) continue;
    const std::string tenant = server.reference().substr(0, server.reference().find('/'));
    found.push_back({State::warn,
                     server.reference() + " serves users alone, and nobody of " + tenant + " may log in",
                     "arcusctl user add NAME -t " + tenant});
  }
  if (found.empty()) found.push_back({State::ok, "every server that asks for users has some"});
  return found;
}

}  // namespace arcus::cli::doctor
