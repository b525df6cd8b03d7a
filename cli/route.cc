#include "cli/core/rows.h"
#include "cli/server.h"
#include "lib/base/error.h"
#include "lib/db/database.h"
#include "lib/registry/routes.h"
#include "lib/registry/view.h"

namespace arcus::cli {
namespace {

constexpr Column columns[] = {
    {"server", "SERVER"},
    {"pattern", "NAME"},
    {"target", "TARGET"},
    {"id", "ID", Show::wide},
};

constexpr Arg<std::string_view> server_ref{
    "SERVER", "tenant/name, name, id or id prefix", {.required = true, .complete = Source::server}};
constexpr Arg<std::string_view> list_ref{"SERVER", "only those of this server", {.complete = Source::server}};
constexpr Arg<std::vector<std::string_view>> routes{
    "NAME=TARGET",
    "a server name, *.suffix or *; and HOST:PORT, backends, passthrough or reject",
    {.required = true}};
constexpr Arg<std::vector<std::string_view>> names{
    "NAME", "the name, *.suffix or * of a route, or its id", {.required = true, .complete = Source::route}};
constexpr const ArgInfo* list_signature[] = {&list_ref};
constexpr const ArgInfo* add_signature[] = {&server_ref, &routes};
constexpr const ArgInfo* remove_signature[] = {&server_ref, &names};

int run_list(Context& context, const Args& args) {
  registry::Rows rows = registry::people_view(context.db(), "routes");
  keep_server(context, rows, args.has(list_ref) ? args[list_ref] : std::string_view{});
  context.out().list(table_of(rows, columns, context.out().machine()));
  return exit_code::ok;
}

int run_add(Context& context, const Args& args) {
  std::vector<registry::RouteSpec> specs;
  for (const std::string_view word : args[routes]) specs.push_back(registry::parse_route(word));
  return server::change_part(context, args[server_ref], "add",
                             [&](Database& db, const registry::Server& server) {
                               for (const registry::RouteSpec& spec : specs)
                                 registry::put_route(db, server.id, spec);
                               registry::require_valid(db, server.id, context.catalog());
                             });
}

int run_remove(Context& context, const Args& args) {
  return server::change_part(context, args[server_ref], "remove",
                             [&](Database& db, const registry::Server& server) {
                               for (const std::string_view name : args[names])
                                 registry::remove_route(db, registry::get_route(db, server.id, name).id);
                               registry::require_valid(db, server.id, context.catalog());
                             });
}

constexpr Example list_examples[] = {{"arcusctl route list acme/edge", ""}};
constexpr Example add_examples[] = {
    {"arcusctl route add acme/edge app.example=10.0.0.5:443", "or gives the name another target"},
    {"arcusctl route add acme/edge '*.example=backends' '*=reject'", "suffixes, and all other names"},
};
constexpr Example remove_examples[] = {{"arcusctl route remove acme/edge app.example", ""}};

constexpr Command commands[] = {
    {"list",
     "server names and where they lead",
     list_signature,
     run_list,
     {.lists = true, .aliases = "ls", .examples = list_examples, .columns = columns}},
    {"add",
     "add routes, or change their targets",
     add_signature,
     run_add,
     {.mutating = true, .waits = true, .aliases = "set", .examples = add_examples}},
    {"remove",
     "take routes away",
     remove_signature,
     run_remove,
     {.mutating = true, .waits = true, .aliases = "rm delete", .examples = remove_examples}},
};

}  // namespace

extern const Noun route_noun;
constinit const Noun route_noun{"route", "where server names lead (type sni)", Group::registry, commands,
                                "routes"};

}  // namespace arcus::cli
