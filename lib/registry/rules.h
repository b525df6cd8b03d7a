#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus::registry {

/// A row of `acl`.
struct Rule {
  std::string id;
  std::int64_t number = 0;
  std::string tenant_id;
  std::optional<std::string> server_id;  ///< nothing: for all servers of the tenant
  std::int64_t position = 0;
  std::string action;  ///< allow, deny
  std::optional<std::string> client;
  std::optional<std::string> user_id;
  std::optional<std::string> user;  ///< the name that belongs to it
  std::optional<std::string> host;
  std::optional<std::string> destination;
  std::optional<std::int64_t> port_first;
  std::optional<std::int64_t> port_last;
  std::optional<std::string> method;
  std::optional<std::string> time_window;
  std::string comment;
};

/// A rule as typed.
struct RuleSpec {
  std::string action;
  std::optional<std::string> client;
  std::optional<std::string> user;  ///< name
  std::optional<std::string> to;    ///< host, *.suffix, or CIDR
  std::optional<std::string> port;  ///< "443" or "8000-8999"
  std::optional<std::string> method;
  std::optional<std::string> time_window;
  std::string comment;
  std::optional<std::int64_t> before;  ///< number of the rule to stand before; nothing: last
};

/// True when the rules of a server and of its tenant limit who may be a client: allow rules name some clients
/// and none names all, or a rule denies everything and no allow rule for everybody stands before it. Networks
/// shorter than /8 (IPv6: /16) count as all.
bool restrict_clients(std::span<const Rule> of_server, std::span<const Rule> of_tenant);

/// `rule` as it would be typed, for another list's end.
RuleSpec rule_spec(const Rule& rule);

/// Validates and adds. Throws Error: usage with every problem, not_found for an unknown user. `server_id`
/// empty: for the tenant.
Rule add_rule(Database& db, std::string_view tenant_id, std::string_view server_id, const RuleSpec& spec);
/// In the order of judgement: each server's own first, then the tenant's.
std::vector<Rule> list_rules(Database& db, std::string_view tenant_id);
Rule get_rule(Database& db, std::string_view tenant_id, std::int64_t number);
void move_rule(Database& db, std::string_view tenant_id, std::int64_t number, std::int64_t before);
void remove_rule(Database& db, std::string_view tenant_id, std::int64_t number);

}  // namespace arcus::registry
