#include "cli/core/rows.h"
#include "cli/server.h"
#include "lib/base/error.h"
#include "lib/db/database.h"
#include "lib/registry/backends.h"
#include "lib/registry/view.h"

namespace arcus::cli {
namespace {

using registry::Backend;

constexpr Column columns[] = {
    {"server", "SERVER"},
    {"backend", "BACKEND"},
    {"role", "ROLE", Show::wide},
    {"weight", "WEIGHT", Show::table, Unit::count},
    {"backup", "BACKUP", Show::wide, Unit::flag},
    {"tls", "TLS", Show::wide, Unit::flag},
    {"state", "STATE"},
    {"health", "HEALTH", Show::table, Unit::status},
    {"conns", "CONNS", Show::table, Unit::count},
    {"connections", "TOTAL", Show::table, Unit::count},
    {"failures", "FAILED", Show::wide, Unit::count},
    {"last_used", "LAST_USED", Show::wide, Unit::age},
    {"since", "SINCE", Show::table, Unit::age},
    {"last_check_at", "CHECKED", Show::wide, Unit::time},
    {"last_latency_ms", "LATENCY", Show::wide, Unit::ms},
    {"decided_by", "DECIDED_BY", Show::wide},
    {"id", "ID", Show::wide},
    {"last_error", "LAST_ERROR", Show::table, Unit::prose, 1},
};

constexpr Arg<std::string_view> server_ref{
    "SERVER", "tenant/name, name, id or id prefix", {.required = true, .complete = Source::server}};
constexpr Arg<std::string_view> list_ref{"SERVER", "only those of this server", {.complete = Source::server}};
constexpr Arg<std::vector<std::string_view>> addresses{
    "HOST:PORT", "with ,weight=N ,backup ,max=N ,tls ,sni=NAME; or a parent proxy's URL", {.required = true}};
constexpr Arg<std::string_view> backend{
    "BACKEND", "its address or id", {.required = true, .complete = Source::backend}};
constexpr Arg<std::vector<std::string_view>> assignments{
    "KEY=VALUE", "weight, backup, max_connections, admin_state, tls, tls_verify, ...", {.required = true}};
constexpr const ArgInfo* list_signature[] = {&list_ref};
constexpr const ArgInfo* add_signature[] = {&server_ref, &addresses};
constexpr const ArgInfo* one_signature[] = {&server_ref, &backend};
constexpr const ArgInfo* set_signature[] = {&server_ref, &backend, &assignments};

int run_list(Context& context, const Args& args) {
  registry::Rows rows = registry::people_view(context.db(), "backends");
  keep_server(context, rows, args.has(list_ref) ? args[list_ref] : std::string_view{});
  context.out().list(table_of(rows, columns, context.out().machine()));
  return exit_code::ok;
}

int run_add(Context& context, const Args& args) {
  std::vector<registry::BackendSpec> specs;
  for (const std::string_view word : args[addresses]) specs.push_back(server::local_backend(word));
  return server::change_part(context, args[server_ref], "add",
                             [&](Database& db, const registry::Server& server) {
                               for (const registry::BackendSpec& spec : specs)
                                 registry::add_backend(db, server.id, spec);
                               registry::require_valid(db, server.id, context.catalog());
                             });
}

int set_all(Context& context, const Args& args, const std::vector<registry::Assignment>& list) {
  return server::change_part(
      context, args[server_ref], "set", [&](Database& db, const registry::Server& server) {
        registry::set_backend(db, registry::get_backend(db, server.id, args[backend]).id, list);
        registry::require_valid(db, server.id, context.catalog());
      });
}

int run_set(Context& context, const Args& args) {
  std::vector<registry::Assignment> list;
  for (const std::string_view word : args[assignments]) list.push_back(registry::parse_assignment(word));
  return set_all(context, args, list);
}

int run_drain(Context& context, const Args& args) {
  return set_all(context, args, {{"admin_state", "drain"}});
}
int run_enable(Context& context, const Args& args) {
  return set_all(context, args, {{"admin_state", "enabled"}});
}
int run_disable(Context& context, const Args& args) {
  return set_all(context, args, {{"admin_state", "disabled"}});
}

int run_remove(Context& context, const Args& args) {
  return server::change_part(
      context, args[server_ref], "remove", [&](Database& db, const registry::Server& server) {
        registry::remove_backend(db, registry::get_backend(db, server.id, args[backend]).id);
      });
}

constexpr Example list_examples[] = {{"arcusctl backend list acme/db", ""}};
constexpr Example add_examples[] = {
    {"arcusctl backend add acme/db 10.0.0.6:5432,weight=2", ""},
    {"arcusctl backend add acme/lb app.internal:8443,tls,sni=app.example", "TLS to it, verified"},
    {"arcusctl backend add acme/web socks5://proxy.internal:1080", "a parent proxy"},
};
constexpr Example set_examples[] = {{"arcusctl backend set acme/db 10.0.0.6:5432 weight=3", ""}};
constexpr Example drain_examples[] = {{"arcusctl backend drain acme/db 10.0.0.6:5432", "no new connections"}};

constexpr Command commands[] = {
    {"list",
     "backends with their health",
     list_signature,
     run_list,
     {.lists = true, .aliases = "ls", .examples = list_examples, .columns = columns}},
    {"add",
     "add backends to a server",
     add_signature,
     run_add,
     {.mutating = true, .waits = true, .aliases = "register create", .examples = add_examples}},
    {"set",
     "change one",
     set_signature,
     run_set,
     {.mutating = true, .waits = true, .examples = set_examples}},
    {"drain",
     "no new connections to it",
     one_signature,
     run_drain,
     {.mutating = true, .waits = true, .examples = drain_examples}},
    {"enable", "use it again", one_signature, run_enable, {.mutating = true, .waits = true}},
    {"disable", "do not use it", one_signature, run_disable, {.mutating = true, .waits = true}},
    {"remove",
     "take it from the server",
     one_signature,
     run_remove,
     {.mutating = true, .waits = true, .aliases = "rm delete"}},
};

}  // namespace

extern const Noun backend_noun;
constinit const Noun backend_noun{"backend", "who serves behind a server", Group::registry, commands,
                                  "backends"};

}  // namespace arcus::cli
