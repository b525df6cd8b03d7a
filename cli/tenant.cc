#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/core/rows.h"
#include "cli/look.h"
#include "cli/server.h"
#include "lib/base/error.h"
#include "lib/db/database.h"
#include "lib/registry/tenants.h"
#include "lib/registry/view.h"

namespace arcus::cli {
namespace {

using registry::Tenant;

constexpr Column columns[] = {
    {"name", "TENANT"},
    {"enabled", "ENABLED", Show::table, Unit::flag, 4},
    {"total_servers", "SERVERS", Show::table, Unit::count},
    {"running_servers", "RUNNING", Show::table, Unit::count},
    {"error_servers", "ERROR", Show::table, Unit::count, 2},
    {"active_connections", "CONNS", Show::table, Unit::count, 3},
    {"request_rate", "REQ/S", Show::table, Unit::per_second, 5},
    {"id", "ID", Show::wide},
    {"total_bytes_transferred", "BYTES", Show::wide, Unit::bytes},
    {"max_connections", "MAX_CONNS", Show::wide, Unit::count},
    {"rss_bytes", "RSS", Show::wide, Unit::bytes},
    {"cpu_ms", "CPU", Show::wide, Unit::ms},
    {"open_fds", "FDS", Show::wide, Unit::count},
    {"created_at", "AGE", Show::wide, Unit::age},
    {"labels", "LABELS", Show::full, Unit::json},
};

constexpr Arg<std::string_view> tenant{
    "TENANT", "name or id", {.required = true, .complete = Source::tenant}};
constexpr Arg<std::vector<std::string_view>> tenants{
    "TENANT", "name or id", {.required = true, .complete = Source::tenant}};
constexpr Arg<std::string_view> one_tenant{"TENANT", "name or id; default -t", {.complete = Source::tenant}};
constexpr const ArgInfo* one_signature[] = {&tenant};
constexpr const ArgInfo* optional_signature[] = {&one_tenant};

// -- add
// ----------------------------------------------------------------------------------------------------------------

namespace add {
constexpr Arg<std::string_view> name{"NAME", "1-63 of a-z 0-9 . _ -", {.required = true}};
constexpr Arg<std::int64_t> max_servers{
    "--max-servers", "servers it may register; 0 = unlimited", {.min = 0}};
constexpr Arg<std::int64_t> max_connections{
    "--max-connections", "over all its servers; 0 = unlimited", {.min = 0}};
constexpr Arg<std::int64_t> per_client{
    "--max-connections-per-client", "from one address; 0 = unlimited", {.min = 0}};
constexpr Arg<Rate> rate{"--rate", "requests per second over all its servers; 0 = unlimited", {.min = 0}};
constexpr Arg<Size> bandwidth{
    "--bandwidth", "bytes per second, both ways together; 0 = unlimited", {.min = 0}};
constexpr Arg<Size> memory{"--memory-limit", "of its worker, 8MiB or more; 0 = unlimited", {.min = 0}};
constexpr Arg<std::string_view> worker_group{
    "--worker-group", "share a worker process with others of that group", {.metavar = "NAME"}};
constexpr Arg<std::int64_t> worker_threads{
    "--worker-threads", "data threads; 0 = automatic", {.min = 0, .max = 8}};
constexpr Arg<std::string_view> format{
    "--access-log-format",
    "form of access records",
    {.fallback = "squid", .choices = "squid|combined|json", .complete = Source::choices}};
constexpr Arg<std::vector<std::string_view>> label{"--label", "a label; repeat", {.metavar = "KEY=VALUE"}};
constexpr Arg<std::string_view> description{"--description", "free text"};
constexpr const ArgInfo* signature[] = {&name,           &max_servers, &max_connections, &per_client,
                                        &rate,           &bandwidth,   &memory,          &worker_group,
                                        &worker_threads, &format,      &label,           &description};

int run(Context& context, const Args& args) {
  Tenant row{.name = std::string{args[name]},
             .description = std::string{args[description]},
             .max_servers = args[max_servers],
             .max_connections = args[max_connections],
             .max_connections_per_client = args[per_client],
             .requests_per_second = args[rate],
             .bandwidth_bytes_per_second = args[bandwidth],
             .memory_limit_bytes = args[memory],
             .worker_threads = args[worker_threads],
             .access_log_format = std::string{args[format]}};
  if (args.has(worker_group)) row.worker_group = args[worker_group];
  nlohmann::ordered_json labels = nlohmann::ordered_json::object();
  for (const std::string_view text : args[label]) {
    registry::Assignment assignment = registry::parse_assignment(text);
    labels[assignment.key] = *assignment.value;
  }
  row.labels = labels.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  context.change([&](Database& db) { row = registry::add_tenant(db, row); });
  const Output& out = context.out();
  if (out.json() || out.options().format == Format::field)
    context.out().object(table_of(registry::tenants_full(context.db(), row.id), columns, true));
  else
    context.out().line(out.options().format == Format::name ? row.name : row.id);
  return exit_code::ok;
}
}  // namespace add

// -- look
// ---------------------------------------------------------------------------------------------------------------

int run_list(Context& context, const Args&) {
  Table table = table_of(registry::tenants_full(context.db()), columns, context.out().machine());
  show_share(table, "active_connections", "max_connections");
  context.out().list(table);
  return exit_code::ok;
}

int run_show(Context& context, const Args& args) {
  const Tenant row = find_tenant_target(context, args[one_tenant]);
  context.out().object(table_of(registry::tenants_full(context.db(), row.id), columns, true));
  return exit_code::ok;
}

std::vector<registry::Server> servers_of(Context& context, const Tenant& row) {
  return registry::list_servers(context.db(), row.id);
}

int run_servers(Context& context, const Args& args) {
  server::print_list(context, servers_of(context, find_tenant_target(context, args[one_tenant])));
  return exit_code::ok;
}

// -- change
// -------------------------------------------------------------------------------------------------------------

constexpr Arg<std::vector<std::string_view>> assignments{
    "KEY=VALUE", "a column, or labels.KEY", {.required = true, .complete = Source::tenant_key}};
constexpr Arg<std::vector<std::string_view>> keys{
    "KEY", "back to its default", {.required = true, .complete = Source::tenant_key}};
constexpr Arg<std::string_view> new_name{"NAME", "the new name", {.required = true}};
constexpr const ArgInfo* set_signature[] = {&tenant, &assignments};
constexpr const ArgInfo* unset_signature[] = {&tenant, &keys};
constexpr const ArgInfo* rename_signature[] = {&tenant, &new_name};

/// Changes a tenant and waits until every running server of it has taken that over.
int apply(Context& context, const Tenant& row, const std::vector<registry::Assignment>& list) {
  context.change([&](Database& db) {
    context.check_generation(row.generation, row.name);
    registry::set_tenant(db, row.id, list);
  });
  if (context.dry_run()) return exit_code::ok;
  const std::vector<registry::Server> servers = servers_of(context, row);
  Report rows{context, servers};
  const auto outcomes = await_servers(context, servers, {.action = "set"}, [&](const auto& some) {
    if (!context.quiet()) rows.ended(some);
  });
  if (!outcomes.empty() && !context.quiet()) return rows.finish(outcomes);
  return report(context, {{.id = row.id, .name = row.name, .action = "set", .status = "changed"}});
}

int run_set(Context& context, const Args& args) {
  std::vector<registry::Assignment> list;
  for (const std::string_view word : args[assignments]) list.push_back(registry::parse_assignment(word));
  return apply(context, find_tenant_target(context, args[tenant]), list);
}

int run_unset(Context& context, const Args& args) {
  std::vector<registry::Assignment> list;
  for (const std::string_view key : args[keys]) list.push_back({std::string{key}, std::nullopt});
  return apply(context, find_tenant_target(context, args[tenant]), list);
}

int run_enable(Context& context, const Args& args) {
  return apply(context, find_tenant_target(context, args[tenant]), {{"enabled", "true"}});
}

int run_disable(Context& context, const Args& args) {
  return apply(context, find_tenant_target(context, args[tenant]), {{"enabled", "false"}});
}

int run_rename(Context& context, const Args& args) {
  const Tenant row = find_tenant_target(context, args[tenant]);
  context.change([&](Database& db) {
    context.check_generation(row.generation, row.name);
    registry::rename_tenant(db, row.id, args[new_name]);
  });
  return report(
      context,
      {{.id = row.id, .name = std::string{args[new_name]}, .action = "rename", .status = "renamed"}});
}

// -- all servers of a tenant
// --------------------------------------------------------------------------------------------

constexpr const ArgInfo* life_signature[] = {&tenants, &target::type, &target::status, &target::where};

/// The servers of the named tenants that --type, --status and --where leave.
std::vector<registry::Server> chosen(Context& context, const Args& args) {
  std::vector<registry::Server> all;
  for (const std::string_view word : args[tenants]) {
    const Tenant row = find_tenant_target(context, word);
    std::vector<Args::Entry> entries{{&target::refs, {row.name + "/*"}}};
    for (const ArgInfo* info :
         {static_cast<const ArgInfo*>(&target::type), static_cast<const ArgInfo*>(&target::status),
          static_cast<const ArgInfo*>(&target::where)})
      if (args.has(*info)) entries.push_back({info, {std::string{args.text(*info)}}});
    const auto servers = find_targets(context, Args{std::move(entries)}, false);
    all.insert(all.end(), servers.begin(), servers.end());
  }
  if (all.empty()) context.note("no server of that kind");
  return all;
}

int run_start(Context& context, const Args& args) {
  return server::start_all(context, chosen(context, args));
}
int run_stop(Context& context, const Args& args) { return server::stop_all(context, chosen(context, args)); }
int run_restart(Context& context, const Args& args) {
  return server::restart_all(context, chosen(context, args), 0);
}
int run_reload(Context& context, const Args& args) {
  return server::reload_all(context, chosen(context, args));
}

int run_remove_servers(Context& context, const Args& args) {
  const Tenant row = find_tenant_target(context, args[tenant]);
  const std::vector<registry::Server> servers = servers_of(context, row);
  if (!servers.empty())
    context.confirm("remove all servers of " + row.name + " (" + std::to_string(servers.size()) + ")?");
  Report rows{context, servers};
  return rows.finish(server::stop_and_remove(context, servers, rows));
}

constexpr Arg<bool> with_servers{"--with-servers", "its servers too"};
constexpr const ArgInfo* remove_signature[] = {&tenant, &with_servers};

int run_remove(Context& context, const Args& args) {
  const Tenant row = find_tenant_target(context, args[tenant]);
  const std::vector<registry::Server> servers = servers_of(context, row);
  if (!servers.empty() && !args[with_servers])
    throw Error{ErrorKind::conflict,
                "tenant '" + row.name + "' still has servers (" + std::to_string(servers.size()) + ")"}
        .about(row.name)
        .with_hint("arcusctl tenant remove " + row.name + " --with-servers");
  context.check_generation(row.generation, row.name);
  if (!servers.empty())
    context.confirm_by_typing(
        "remove tenant " + row.name + " and its " + std::to_string(servers.size()) + " servers", row.name);
  std::vector<std::string> names{row.name};
  for (const registry::Server& server : servers) names.push_back(server.reference());
  Report rows{context, names};
  std::vector<Outcome> outcomes;
  if (!servers.empty()) outcomes = server::stop_and_remove(context, servers, rows);
  if (std::ranges::any_of(outcomes, [](const Outcome& one) { return one.code != exit_code::ok; }))
    return rows.finish(outcomes);
  if (!context.dry_run()) context.change([&](Database& db) { registry::remove_tenant(db, row.id); });
  outcomes.push_back({.id = row.id,
                      .name = row.name,
                      .action = "remove",
                      .status = context.dry_run() ? "would_be_removed" : "removed"});
  return rows.finish(outcomes);
}

int run_stats(Context& context, const Args& args) {
  static constexpr Column stats_columns[] = {{"name", "TENANT"},
                                             {"total_servers", "SERVERS", Show::table, Unit::count},
                                             {"running_servers", "RUNNING", Show::table, Unit::count},
                                             {"total_connections", "CONNECTIONS", Show::table, Unit::count},
                                             {"active_connections", "ACTIVE", Show::table, Unit::count},
                                             {"total_requests", "REQUESTS", Show::table, Unit::count},
                                             {"total_bytes_transferred", "BYTES", Show::table, Unit::bytes},
                                             {"error_count", "ERRORS", Show::table, Unit::count},
                                             {"avg_response_time_ms", "AVG_MS", Show::table, Unit::count},
                                             {"enabled", "ENABLED", Show::full, Unit::flag},
                                             {"labels", "LABELS", Show::full, Unit::json}};
  const bool one = args.has(one_tenant) || !context.tenant().empty();
  const std::string id = one ? find_tenant_target(context, args[one_tenant]).id : std::string{};
  const Table table =
      table_of(registry::tenants_full(context.db(), id), stats_columns, context.out().machine());
  if (one && context.out().machine())
    context.out().object(table);
  else
    context.out().list(table);
  return exit_code::ok;
}

constexpr Example add_examples[] = {
    {"arcusctl tenant add acme", "without limits"},
    {"arcusctl tenant add acme --max-connections 5000 --label plan=gold", ""}};
constexpr Example set_examples[] = {{"arcusctl tenant set acme max_connections=5000", "live"}};
constexpr Example life_examples[] = {{"arcusctl tenant restart acme", "all its servers, in parallel"},
                                     {"arcusctl tenant stop acme --type tcp", "some of them"}};
constexpr Example remove_examples[] = {
    {"arcusctl tenant remove acme --with-servers", "asks to type the name"}};
constexpr ExitNote life_exits[] = {{exit_code::no_daemon, "the wish is recorded, but no daemon runs"},
                                   {exit_code::partial, "some did, some did not"}};
constexpr ExitNote remove_exits[] = {{exit_code::conflict, "it still has servers"}};

constexpr CommandMore life{.mutating = true, .waits = true, .examples = life_examples, .exits = life_exits};

constexpr Command commands[] = {
    {"add",
     "create a tenant; prints its id",
     add::signature,
     add::run,
     {.mutating = true, .aliases = "register create", .examples = add_examples}},
    {"list", "tenants with their sums", {}, run_list, {.lists = true, .aliases = "ls", .columns = columns}},
    {"show", "everything about one tenant", optional_signature, run_show, {.aliases = "get info"}},
    {"servers",
     "the servers of a tenant",
     optional_signature,
     run_servers,
     {.lists = true, .columns = server_columns}},
    {"set",
     "change limits, labels, description",
     set_signature,
     run_set,
     {.mutating = true, .waits = true, .examples = set_examples}},
    {"unset",
     "put keys back to their defaults",
     unset_signature,
     run_unset,
     {.mutating = true, .waits = true}},
    {"rename", "give it another name", rename_signature, run_rename, {.mutating = true}},
    {"enable", "let its servers run again", one_signature, run_enable, {.mutating = true, .waits = true}},
    {"disable",
     "suspend all its servers, their wishes unchanged",
     one_signature,
     run_disable,
     {.mutating = true, .waits = true}},
    {"start", "start all its servers", life_signature, run_start, life},
    {"stop", "stop all its servers", life_signature, run_stop, life},
    {"restart", "restart all its servers", life_signature, run_restart, life},
    {"reload", "reload all its servers", life_signature, run_reload, life},
    {"remove-servers",
     "remove all its servers",
     one_signature,
     run_remove_servers,
     {.mutating = true, .waits = true}},
    {"remove",
     "remove a tenant",
     remove_signature,
     run_remove,
     {.mutating = true,
      .waits = true,
      .aliases = "rm delete",
      .examples = remove_examples,
      .exits = remove_exits}},
    {"stats", "its counters", optional_signature, run_stats, {.lists = true}},
};

}  // namespace

extern const Noun tenant_noun;
constinit const Noun tenant_noun{"tenant", "customers and their limits", Group::registry, commands,
                                 "tenants"};

}  // namespace arcus::cli
