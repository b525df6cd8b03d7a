#pragma once

#include <functional>
#include <span>
#include <string>

#include "cli/core/command.h"
#include "cli/core/context.h"
#include "cli/core/results.h"
#include "cli/core/targets.h"
#include "lib/registry/spec.h"

/// The verbs of `server`, and what other nouns borrow from them.  Rows here, work in server_*.cc.
namespace arcus::cli::server {

/// Headings and units of view server_full, in the order of the screen.
std::span<const Column> columns() noexcept;

/// What the words and flags of `server add` ask for.
registry::ServerSpec read_spec(Context& context, const Args& args);

/// `--cert` may name certificates of the tenant instead of a file. Throws Error (not_found) when it is
/// neither.
void take_named_certs(Context& context, const Args& args, const registry::Tenant& tenant,
                      registry::ServerSpec& spec);

int run_add(Context& context, const Args& args);
int run_list(Context& context, const Args& args);
int run_show(Context& context, const Args& args);
int run_set(Context& context, const Args& args);
int run_unset(Context& context, const Args& args);
int run_rename(Context& context, const Args& args);
int run_clone(Context& context, const Args& args);
int run_edit(Context& context, const Args& args);
int run_start(Context& context, const Args& args);
int run_stop(Context& context, const Args& args);
int run_drain(Context& context, const Args& args);
int run_restart(Context& context, const Args& args);
int run_reload(Context& context, const Args& args);
int run_check(Context& context, const Args& args);
int run_wait(Context& context, const Args& args);
int run_remove(Context& context, const Args& args);

/// One server as a JSON object: the columns of server_full, counters under `stats`, health under `health`,
/// backends.
std::string full_json(Context& context, const registry::Server& server);

/// The list of `servers` in whatever format was asked for.
void print_list(Context& context, const std::vector<registry::Server>& servers);

/// The lifecycle wishes for several servers at once: one transaction, then waiting.  Also used by `tenant`.
int start_all(Context& context, const std::vector<registry::Server>& servers);
/// `now`: connections are cut instead of drained.
int stop_all(Context& context, const std::vector<registry::Server>& servers, bool now = false);
int restart_all(Context& context, const std::vector<registry::Server>& servers, std::size_t at_once);
int reload_all(Context& context, const std::vector<registry::Server>& servers);
/// Stops, waits for the connections to end, then removes.  Asks first when one runs or there are several.
int remove_all(Context& context, const std::vector<registry::Server>& servers);
/// The same without asking and without the end of the report.
std::vector<Outcome> stop_and_remove(Context& context, const std::vector<registry::Server>& servers,
                                     Report& rows);

/// A backend as typed here: its paths become absolute, as the daemon will read them from elsewhere.
registry::BackendSpec local_backend(std::string_view text);

/// Makes a change to a part of the server that `reference` names (a backend, a route) in one transaction and
/// waits until the daemon serves with it.
int change_part(Context& context, std::string_view reference, std::string_view action,
                const std::function<void(Database&, const registry::Server&)>& body);

/// How long stopping `servers` may take: the longest drain_timeout and 5 s.
std::chrono::milliseconds stop_limit(const std::vector<registry::Server>& servers);

// Arguments that more than one file reads.
inline constexpr Arg<std::vector<std::string_view>> assignments{
    "KEY=VALUE", "a column, config.KEY or labels.KEY", {.required = true, .complete = Source::server_key}};
inline constexpr Arg<std::vector<std::string_view>> keys{
    "KEY",
    "a column, config.KEY or labels.KEY: back to its default",
    {.required = true, .complete = Source::server_key}};
inline constexpr Arg<std::string_view> new_name{"NAME", "the new name", {.required = true}};
inline constexpr Arg<std::string_view> clone_port{
    "--port", "its port, or auto for the next free one", {.fallback = "auto", .metavar = "N|auto"}};
inline constexpr Arg<std::string_view> clone_to{"--to",
                                                "the tenant it shall belong to; default the source's",
                                                {.metavar = "TENANT", .complete = Source::tenant}};
inline constexpr Arg<std::int64_t> rolling{
    "--rolling", "restart only so many at a time", {.metavar = "N", .min = 1}};
inline constexpr Arg<bool> stop_now{"--now", "cut connections instead of letting them end"};
inline constexpr Arg<std::string_view> reload_file{
    "-f,--file", "a JSON object with the new configuration", {.metavar = "FILE", .complete = Source::file}};
inline constexpr Arg<std::vector<std::string_view>> patch{
    "KEY=VALUE", "what to change on the way", {.complete = Source::server_key}};
inline constexpr Arg<std::string_view> wait_for{"--for",
                                                "what to wait for",
                                                {.fallback = "running",
                                                 .metavar = "WHAT",
                                                 .choices = "running|stopped|healthy|idle",
                                                 .complete = Source::choices}};

// server add
inline constexpr Arg<std::string_view> type{"TYPE", "server type", {.complete = Source::server_type}};
extern const Variants add_variants;

}  // namespace arcus::cli::server
