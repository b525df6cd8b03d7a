#include "cli/core/context.h"
#include "cli/core/results.h"
#include "cli/core/rows.h"
#include "cli/core/targets.h"
#include "cli/explain.h"
#include "cli/user.h"
#include "lib/base/error.h"
#include "lib/base/units.h"
#include "lib/registry/rules.h"

namespace arcus::cli {
namespace {

constexpr std::string_view details =
    "Rules are judged in this order: those of the server, then those of its tenant, each list by position; "
    "the first that "
    "matches decides, and what none matches is allowed. Allow rules that name clients close the door for all "
    "other clients first, whatever stands where. Private, loopback and link-local destinations are closed to "
    "clients until an allow rule names "
    "them by "
    "network: --to 10.0.0.0/8. A host name never opens one.";

constexpr Arg<std::string_view> action{
    "ACTION", "allow or deny", {.required = true, .choices = "allow|deny"}};
constexpr Arg<std::string_view> client{"--client", "who asks", {.metavar = "CIDR"}};
constexpr Arg<std::string_view> user{"--user",
                                     "which user, once logged in (servers with --auth basic or mtls)",
                                     {.metavar = "NAME", .complete = Source::user}};
constexpr Arg<std::string_view> to{
    "--to", "where to: a host, *.suffix or a network", {.metavar = "HOST|CIDR"}};
constexpr Arg<std::string_view> port{"--port", "destination port or range", {.metavar = "PORT[-PORT]"}};
constexpr Arg<std::string_view> method{"--method", "request method, CONNECT included", {.metavar = "METHOD"}};
constexpr Arg<std::string_view> time_window{"--time", "only then, in UTC", {.metavar = "HH:MM-HH:MM"}};
constexpr Arg<std::string_view> server{
    "--server", "for one server alone", {.metavar = "REF", .complete = Source::server}};
constexpr Arg<std::string_view> comment{"--comment", "why the rule is there"};
constexpr Arg<std::int64_t> before{
    "--before", "stand before that rule; else last", {.metavar = "NUMBER", .min = 1}};
constexpr Arg<std::int64_t> number{
    "NUMBER", "the rule's number", {.required = true, .complete = Source::acl_rule, .min = 1}};
constexpr Arg<std::int64_t> move_before{
    "--before",
    "the rule to stand before",
    {.required = true, .metavar = "NUMBER", .complete = Source::acl_rule, .min = 1}};

constexpr Column columns[] = {
    {"number", "#", Show::table, Unit::count},
    {"tenant", "TENANT"},
    {"server", "SERVER"},
    {"action", "ACTION", Show::table, Unit::status},
    {"client", "CLIENT"},
    {"user", "USER", Show::table, Unit::text, 8},
    {"to", "TO"},
    {"port", "PORT", Show::table, Unit::text, 5},
    {"method", "METHOD", Show::table, Unit::text, 6},
    {"time", "TIME", Show::table, Unit::text, 7},
    {"hits", "HITS", Show::table, Unit::count},
    {"last_hit", "LAST_HIT", Show::table, Unit::age},
    {"comment", "COMMENT", Show::table, Unit::prose, 9},
};

/// Servers that a change of the rules reaches: they must have taken it before the command returns.
std::vector<registry::Server> reached(Database& db, const std::string& tenant_id,
                                      const std::optional<std::string>& server_id) {
  if (!server_id) return registry::list_servers(db, tenant_id);
  if (auto one = registry::find_server(db, *server_id)) return {*std::move(one)};
  return {};
}

/// The tenant that a rule is for: that of --server, else -t.
registry::Tenant tenant_of(Context& context, const Args& args, std::optional<std::string>& server_id) {
  if (!args.has(server)) return find_tenant_target(context);
  const registry::Server target = find_target(context, args[server]);
  server_id = target.id;
  return find_tenant_target(context, target.tenant);
}

namespace add {
constexpr const ArgInfo* signature[] = {&action, &client,      &user,   &to,     &port,
                                        &method, &time_window, &server, &before, &comment};
constexpr Example examples[] = {
    {"arcusctl acl add allow --to 10.0.0.0/8 -t acme", "open a private network to acme's clients"},
    {"arcusctl acl add allow --client 192.0.2.0/24 --server acme/web", "only these clients may use it"},
    {"arcusctl acl add deny --to '*.example.net' -t acme", "close a domain"},
    {"arcusctl acl add deny --user bob --port 25 -t acme", "for one user alone"},
};

int run(Context& context, const Args& args) {
  std::optional<std::string> server_id;
  const registry::Tenant tenant = tenant_of(context, args, server_id);
  const auto text = [&](const Arg<std::string_view>& arg) {
    return args.has(arg) ? std::optional{std::string{args[arg]}} : std::nullopt;
  };
  const registry::RuleSpec spec{
      .action = std::string{args[action]},
      .client = text(client),
      .user = args.has(user) ? std::optional{bare_user(args[user], tenant.name)} : std::nullopt,
      .to = text(to),
      .port = text(port),
      .method = text(method),
      .time_window = text(time_window),
      .comment = std::string{args[comment]},
      .before = args.given(before)};
  registry::Rule rule;
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    rule = registry::add_rule(db, tenant.id, server_id.value_or(""), spec);
    servers = reached(db, tenant.id, rule.server_id);
  });
  context.out().line(context.quiet()
                         ? std::to_string(rule.number)
                         : tenant.name + "  rule " + std::to_string(rule.number) + "  " + rule.action);
  return settle_parts(context, servers, "acl");
}
}  // namespace add

namespace list {
int run(Context& context, const Args&) {
  registry::Rows rows = registry::people_view(context.db(), "rules");
  keep_tenant(context, rows);
  context.out().list(table_of(rows, columns, context.out().machine()));
  return exit_code::ok;
}
}  // namespace list

namespace move {
constexpr const ArgInfo* signature[] = {&number, &move_before};
constexpr Example examples[] = {{"arcusctl acl move 7 --before 2 -t acme", ""}};

int run(Context& context, const Args& args) {
  const registry::Tenant tenant = find_tenant_target(context);
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    registry::move_rule(db, tenant.id, args[number], args[move_before]);
    servers = reached(db, tenant.id, registry::get_rule(db, tenant.id, args[number]).server_id);
  });
  return settle_parts(context, servers, "acl");
}
}  // namespace move

namespace remove {
constexpr const ArgInfo* signature[] = {&number};
constexpr Example examples[] = {{"arcusctl acl remove 7 -t acme", ""}};

int run(Context& context, const Args& args) {
  const registry::Tenant tenant = find_tenant_target(context);
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    const auto scope = registry::get_rule(db, tenant.id, args[number]).server_id;
    registry::remove_rule(db, tenant.id, args[number]);
    servers = reached(db, tenant.id, scope);
  });
  return settle_parts(context, servers, "acl");
}
}  // namespace remove

constinit const Command commands[] = {
    {"add",
     "add a rule; prints its number",
     add::signature,
     add::run,
     {.mutating = true, .waits = true, .examples = add::examples, .details = details}},
    {"list",
     "rules in the order in which they are judged",
     {},
     list::run,
     {.lists = true, .aliases = "ls", .columns = columns, .details = details}},
    {"move",
     "change the order",
     move::signature,
     move::run,
     {.mutating = true, .waits = true, .examples = move::examples}},
    {"test",
     "who may go where, and which rule decides (explain)",
     explain::signature,
     explain::run,
     {.examples = explain::examples, .exits = explain::exits, .details = explain::details}},
    {"remove",
     "take a rule away",
     remove::signature,
     remove::run,
     {.mutating = true, .waits = true, .aliases = "rm delete", .examples = remove::examples}},
};

}  // namespace

extern const Noun acl_noun;
constinit const Noun acl_noun{"acl", "who may go where", Group::registry, commands, "acls rule rules"};

}  // namespace arcus::cli
