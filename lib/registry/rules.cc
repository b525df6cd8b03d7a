#include "lib/registry/rules.h"

#include <algorithm>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/registry/users.h"

namespace arcus::registry {

static Rule read_rule(const Statement& st) {
  using Text = std::optional<std::string>;
  using Number = std::optional<std::int64_t>;
  auto [id, number, tenant_id, server_id, position, action, client, user_id, user, host, destination,
        port_first, port_last, method, window, comment] =
      st.row<std::string, std::int64_t, std::string, Text, std::int64_t, std::string, Text, Text, Text, Text,
             Text, Number, Number, Text, Text, std::string>();
  return {.id = std::move(id),
          .number = number,
          .tenant_id = std::move(tenant_id),
          .server_id = std::move(server_id),
          .position = position,
          .action = std::move(action),
          .client = std::move(client),
          .user_id = std::move(user_id),
          .user = std::move(user),
          .host = std::move(host),
          .destination = std::move(destination),
          .port_first = port_first,
          .port_last = port_last,
          .method = std::move(method),
          .time_window = std::move(window),
          .comment = std::move(comment)};
}

std::vector<Rule> list_rules(Database& db, std::string_view tenant_id) {
  std::vector<Rule> out;
  auto st = db.query(
      "SELECT a.id, a.number, a.tenant_id, a.server_id, a.position, a.action, a.client, a.user_id, u.name, "
      "a.host, "
      "a.destination, a.port_first, a.port_last, a.method, a.time_window, a.comment "
      "FROM acl a LEFT JOIN user u ON u.id = a.user_id WHERE a.tenant_id = ? "
      "ORDER BY a.server_id IS NULL, a.server_id, a.position, a.number",
      tenant_id);
  while (st.step()) out.push_back(read_rule(st));
  return out;
}

Rule get_rule(Database& db, std::string_view tenant_id, std::int64_t number) {
  for (Rule& rule : list_rules(db, tenant_id))
    if (rule.number == number) return std::move(rule);
  throw Error(ErrorKind::not_found, "no rule " + std::to_string(number))
      .about(std::to_string(number))
      .with_hint("arcusctl acl list");
}

namespace {
/// A RuleSpec in the form of the columns, with everything wrong in it.
struct CheckedRule {
  std::optional<std::string> client, host, destination, method;
  std::optional<std::int64_t> port_first, port_last;
  std::vector<std::string> problems;
};
}  // namespace

static bool is_host_pattern(std::string_view text) {
  if (text.starts_with("*.")) text.remove_prefix(2);
  return is_host_name(text);
}

static void check_to(std::string_view to, CheckedRule& out) {
  if (const auto network = Cidr::parse(to)) {
    out.destination = network->to_string();
    return;
  }
  std::string host = to_lower(to);
  if (host.ends_with('.')) host.pop_back();
  if (is_host_pattern(host))
    out.host = std::move(host);
  else
    out.problems.push_back("to: a host name, *.suffix, or a network such as 10.0.0.0/8, not '" +
                           std::string{to} + "'");
}

static void check_port(std::string_view port, CheckedRule& out) {
  const std::size_t dash = port.find('-');
  const auto first = parse_port(port.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_port(port.substr(dash + 1));
  if (first && last && *first <= *last) {
    out.port_first = *first;
    out.port_last = *last;
  } else {
    out.problems.push_back("port: 1 to 65535, or a range such as 8000-8999, not '" + std::string{port} + "'");
  }
}

static bool is_time_window(std::string_view text) {
  const auto clock = [](std::string_view part) {
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (part.size() != 5 || part[2] != ':' || !digit(part[0]) || !digit(part[1]) || !digit(part[3]) ||
        !digit(part[4]))
      return false;
    return (part[0] - '0') * 10 + (part[1] - '0') < 24 && part[3] < '6';
  };
  return text.size() == 11 && text[5] == '-' && clock(text.substr(0, 5)) && clock(text.substr(6));
}

static CheckedRule check(const RuleSpec& spec) {
  CheckedRule out;
  if (spec.action != "allow" && spec.action != "deny")
    out.problems.push_back("action: allow or deny, not '" + spec.action + "'");
  if (spec.client) {
    const auto network = Cidr::parse(*spec.client);
    if (network)
      out.client = network->to_string();
    else
      out.problems.push_back("client: an address or network such as 10.0.0.0/8, not '" + *spec.client + "'");
  }
  if (spec.to) check_to(*spec.to, out);
  if (spec.port) check_port(*spec.port, out);
  if (spec.method) {
    const bool good =
        !spec.method->empty() && spec.method->size() <= 32 && std::ranges::all_of(*spec.method, [](char c) {
          return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        });
    if (good)
      out.method = *spec.method;
    else
      out.problems.push_back("method: a request method such as GET, not '" + *spec.method + "'");
  }
  if (spec.time_window && !is_time_window(*spec.time_window))
    out.problems.push_back("time: HH:MM-HH:MM in UTC, not '" + *spec.time_window + "'");
  return out;
}

/// The position in front of rule `before`, with room made there; without it the end.
static std::int64_t make_room(Database& db, std::string_view tenant_id, std::optional<std::int64_t> before,
                              std::optional<std::string_view> server_id) {
  if (!before) {
    auto st = db.query("SELECT coalesce(max(position), 0) + 1 FROM acl WHERE tenant_id = ?", tenant_id);
    st.step();
    return st.integer(0);
  }
  const Rule target = get_rule(db, tenant_id, *before);
  if (target.server_id.has_value() != server_id.has_value() || (server_id && *target.server_id != *server_id))
    throw Error(ErrorKind::usage, "rule " + std::to_string(*before) +
                                      " belongs to another list: a server's own rules are judged "
                                      "before its tenant's");
  db.exec("UPDATE acl SET position = position + 1 WHERE tenant_id = ? AND position >= ?", tenant_id,
          target.position);
  return target.position;
}

/// So few that naming them restricts who may be a client; a network of half the world does not.
static bool is_some_clients(const std::string& text) {
  const auto network = Cidr::parse(text);
  if (!network) return true;  // the worker will refuse it
  return network->bits >= (network->address.is_v4() ? 8 : 16);
}

bool restrict_clients(std::span<const Rule> of_server, std::span<const Rule> of_tenant) {
  bool names_some = false;
  bool names_all = false;
  bool lets_all = false;  // an allow rule for everybody stands before
  bool ends_in_deny = false;
  for (const std::span<const Rule> rules : {of_server, of_tenant}) {
    for (const Rule& rule : rules) {
      if (rule.action == "allow") {
        if (rule.client) (is_some_clients(*rule.client) ? names_some : names_all) = true;
        lets_all = lets_all || !rule.client;
      } else if (!rule.client && !rule.user_id && !rule.host && !rule.destination && !rule.port_first &&
                 !rule.method && !rule.time_window) {
        ends_in_deny = ends_in_deny || !lets_all;
      }
    }
  }
  return (names_some || ends_in_deny) && !names_all;
}

RuleSpec rule_spec(const Rule& rule) {
  RuleSpec spec{.action = rule.action,
                .client = rule.client,
                .user = rule.user,
                .to = rule.destination ? rule.destination : rule.host,
                .port = std::nullopt,
                .method = rule.method,
                .time_window = rule.time_window,
                .comment = rule.comment,
                .before = std::nullopt};
  if (rule.port_first)
    spec.port =
        std::to_string(*rule.port_first) + "-" + std::to_string(rule.port_last.value_or(*rule.port_first));
  return spec;
}

Rule add_rule(Database& db, std::string_view tenant_id, std::string_view server_id, const RuleSpec& spec) {
  CheckedRule checked = check(spec);
  if (!checked.problems.empty()) {
    const std::string first = checked.problems.front();
    if (checked.problems.size() == 1) checked.problems.clear();
    throw Error(ErrorKind::usage, first).with_details(std::move(checked.problems));
  }
  const auto server = server_id.empty() ? std::nullopt : std::optional{server_id};
  std::optional<std::string> user_id;
  if (spec.user) user_id = get_user(db, tenant_id, *spec.user).id;
  const std::int64_t position = make_room(db, tenant_id, spec.before, server);
  auto st = db.query("SELECT coalesce((SELECT next FROM acl_number WHERE tenant_id = ?), 1)", tenant_id);
  st.step();
  const std::int64_t number = st.integer(0);
  db.exec(
      "INSERT INTO acl (id, number, tenant_id, server_id, position, action, client, user_id, host, "
      "destination, "
      "port_first, port_last, method, time_window, comment) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?)",
      new_id(), number, tenant_id, server, position, spec.action, checked.client, user_id, checked.host,
      checked.destination, checked.port_first, checked.port_last, checked.method, spec.time_window,
      spec.comment);
  return get_rule(db, tenant_id, number);
}

void move_rule(Database& db, std::string_view tenant_id, std::int64_t number, std::int64_t before) {
  const Rule rule = get_rule(db, tenant_id, number);
  if (number == before) return;
  const auto server = rule.server_id ? std::optional<std::string_view>{*rule.server_id} : std::nullopt;
  const std::int64_t position = make_room(db, tenant_id, before, server);
  db.exec("UPDATE acl SET position = ? WHERE id = ?", position, rule.id);
}

void remove_rule(Database& db, std::string_view tenant_id, std::int64_t number) {
  const Rule rule = get_rule(db, tenant_id, number);
  db.exec("DELETE FROM acl WHERE id = ?", rule.id);
}

}  // namespace arcus::registry
