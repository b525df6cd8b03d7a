#include "cli/server.h"

#include "cli/look.h"

namespace arcus::cli {
namespace {

using server::keys;

constexpr const ArgInfo* add_signature[] = {&server::type};
constexpr const ArgInfo* show_signature[] = {&target::ref};
constexpr const ArgInfo* set_signature[] = {&target::ref, &server::assignments};
constexpr const ArgInfo* unset_signature[] = {&target::ref, &keys};
constexpr const ArgInfo* rename_signature[] = {&target::ref, &server::new_name};
constexpr const ArgInfo* clone_signature[] = {&target::ref, &server::new_name, &server::clone_port,
                                              &server::clone_to};
constexpr const ArgInfo* stop_signature[] = {&target::refs,    &target::all,   &target::type,
                                             &target::status,  &target::label, &target::where,
                                             &server::stop_now};
constexpr const ArgInfo* restart_signature[] = {&target::refs,   &target::all,   &target::type,
                                                &target::status, &target::label, &target::where,
                                                &server::rolling};
constexpr const ArgInfo* reload_signature[] = {&target::ref, &server::patch, &server::reload_file};
constexpr const ArgInfo* wait_signature[] = {&target::refs,    &target::all,   &target::type,
                                             &target::status,  &target::label, &target::where,
                                             &server::wait_for};

constexpr Example add_examples[] = {
    {"arcusctl server add http web -t acme --port 8080", "an HTTP proxy"},
    {"arcusctl server add tcp db -t acme --port 9000 --backend 10.0.0.5:5432", "a relay"},
    {"arcusctl server add --from standard_http_proxy -t acme", "from a template"},
    {"arcusctl server add http lb -t acme --port auto --set via=false", "an option of its own"},
};
constexpr Example list_examples[] = {
    {"arcusctl server list -t acme", "one tenant's"},
    {"arcusctl server list --type http --status running", "by type and status"},
    {"arcusctl server list --where \"errors > 0\" -o json", "by any SQL expression"},
    {"arcusctl server list -c tenant,name,conns --sort -conns", "as you want it"},
};
constexpr Example show_examples[] = {
    {"arcusctl server show acme/web", ""},
    {"arcusctl server show acme/web -o field=/bound_port", "one value"},
};
constexpr Example set_examples[] = {
    {"arcusctl server set acme/web max_connections=2000", "live, no connection is lost"},
    {"arcusctl server set acme/web config.via=false labels.env=prod", "options and labels"},
};
constexpr Example stop_examples[] = {
    {"arcusctl server stop acme/web", "waits until the last connection ended"},
    {"arcusctl server stop -t acme --type tcp", "several"},
};
constexpr Example drain_examples[] = {
    {"arcusctl server drain acme/web", "returns when its last connection has ended"},
    {"arcusctl server drain acme/web --timeout 10m", "what is left then is cut"},
    {"arcusctl server drain -t acme --no-wait", "the daemon goes on alone"},
};
constexpr Example start_examples[] = {
    {"arcusctl server start acme/web", "returns when it listens"},
    {"arcusctl server list -q --status stopped | arcusctl server start -", "what a list names"},
};
constexpr Example reload_examples[] = {
    {"arcusctl server reload acme/web", "certificates, files"},
    {"arcusctl server reload acme/web max_connections=2000", "with a change"},
    {"arcusctl server reload acme/web -f web.json", "with values from a file"},
};
constexpr Example remove_examples[] = {
    {"arcusctl server remove acme/web --yes", ""},
    {"arcusctl server remove 'test/*' -n", "what would be removed"},
};
constexpr Example check_examples[] = {{"arcusctl server check acme/web", ""},
                                      {"arcusctl server check --all", ""}};
constexpr Example wait_examples[] = {
    {"arcusctl server wait acme/web --for healthy --timeout 1m", ""},
    {"arcusctl server wait acme/web --for idle", "no connections left"},
};
constexpr Example clone_examples[] = {{"arcusctl server clone acme/web web2 --port 8081", ""}};
constexpr Example edit_examples[] = {{"EDITOR=vi arcusctl server edit acme/web", ""}};

constexpr ExitNote life_exits[] = {
    {exit_code::failed, "a server ended in error"},
    {exit_code::no_daemon, "the wish is recorded, but no daemon runs"},
    {exit_code::partial, "some did, some did not"},
    {exit_code::timeout, "not there after --timeout"},
};
constexpr ExitNote add_exits[] = {
    {exit_code::failed, "registered, but it did not start"},
    {exit_code::conflict, "the name or the port is taken"},
};
constexpr ExitNote wait_exits[] = {{exit_code::timeout, "not so after --timeout"}};
constexpr ExitNote check_exits[] = {{exit_code::failed, "something is wrong"}};
constexpr ExitNote remove_exits[] = {{exit_code::not_confirmed, "declined, or --yes is needed"}};

constexpr ExitNote drain_exits[] = {
    {exit_code::ok, "all are stopped; how many connections were cut is said on stderr"},
    {exit_code::partial, "some did, some did not"},
    {exit_code::timeout, "not stopped 5 s after --timeout"},
};

constexpr std::string_view drain_details =
    "Stops accepting and keeps the wish `stopped`, as stop does, but connections go on until they end or "
    "until "
    "--timeout (without it: a day), whatever drain_timeout says. Then what is left is closed. A stop "
    "meanwhile "
    "grants them drain_timeout, stop --now nothing; start lets it accept again.";
constexpr std::string_view stop_details =
    "Stops accepting, lets connections end for drain_timeout, closes what is left, and keeps the wish "
    "`stopped`.";

constexpr CommandMore changes(std::span<const Example> examples) {
  return {.mutating = true, .waits = true, .examples = examples, .exits = life_exits};
}

constinit const Command commands[] = {
    {"add",
     "register a server; it starts at once",
     add_signature,
     server::run_add,
     {.mutating = true,
      .waits = true,
      .aliases = "register create",
      .examples = add_examples,
      .exits = add_exits,
      .variants = &server::add_variants}},
    {"list",
     "servers with status and load",
     target::many,
     server::run_list,
     {.lists = true, .aliases = "ls", .examples = list_examples, .columns = server_columns}},
    {"show",
     "everything about one server",
     show_signature,
     server::run_show,
     {.aliases = "get info", .examples = show_examples}},
    {"set", "change columns, options or labels, live", set_signature, server::run_set, changes(set_examples)},
    {"unset", "put keys back to their defaults", unset_signature, server::run_unset, changes({})},
    {"edit", "change it in an editor", show_signature, server::run_edit, changes(edit_examples)},
    {"rename", "give it another name", rename_signature, server::run_rename, {.mutating = true}},
    {"clone", "register a copy under another name", clone_signature, server::run_clone,
     changes(clone_examples)},
    {"start", "make it run", target::many, server::run_start, changes(start_examples)},
    {"stop",
     "let connections end, then stop",
     stop_signature,
     server::run_stop,
     {.mutating = true,
      .waits = true,
      .examples = stop_examples,
      .exits = life_exits,
      .details = stop_details}},
    {"drain",
     "stop accepting, let every connection end",
     target::many,
     server::run_drain,
     {.mutating = true,
      .waits = true,
      .examples = drain_examples,
      .exits = drain_exits,
      .details = drain_details}},
    {"restart", "stop and start without losing the port", restart_signature, server::run_restart,
     changes({})},
    {"reload", "apply the configuration, or a new one, without losing a connection", reload_signature,
     server::run_reload, changes(reload_examples)},
    {"check",
     "look for mistakes without touching anything",
     target::many,
     server::run_check,
     {.lists = true, .aliases = "validate", .examples = check_examples, .exits = check_exits}},
    {"wait",
     "wait for a state",
     wait_signature,
     server::run_wait,
     {.waits = true, .examples = wait_examples, .exits = wait_exits}},
    {"remove",
     "stop and remove",
     target::many,
     server::run_remove,
     {.mutating = true,
      .waits = true,
      .aliases = "rm delete",
      .examples = remove_examples,
      .exits = remove_exits}},
    {"stats",
     "counters and response times",
     target::many,
     look::run_server_stats,
     {.lists = true, .columns = server_stats_columns}},
    {"health",
     "results of the health checks",
     look::health_signature,
     look::run_health,
     {.lists = true, .columns = health_columns}},
    {"logs", "its access log", look::logs_signature, look::run_logs, {}},
};

}  // namespace

extern const Noun server_noun;
constinit const Noun server_noun{"server", "proxy servers: register, change, start, stop", Group::registry,
                                 commands, "servers"};

}  // namespace arcus::cli
