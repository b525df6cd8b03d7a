#pragma once

#include "cli/core/command.h"
#include "cli/core/context.h"
#include "cli/core/targets.h"

/// What several nouns print: columns of the views, and the commands that `server` and the bare verbs share.
namespace arcus::cli {

inline constexpr Column server_columns[] = {
    {"tenant", "TENANT"},
    {"name", "NAME"},
    {"type", "TYPE", Show::table, Unit::text, 4},
    {"listen", "LISTEN", Show::table, Unit::text, 2},
    {"status", "STATUS", Show::table, Unit::status},
    {"health", "HEALTH", Show::table, Unit::status, 3},
    {"active_connections", "CONNS", Show::table, Unit::count, 5},
    {"request_rate", "REQ/S", Show::table, Unit::per_second, 6},
    {"error_count", "ERRORS", Show::table, Unit::count, 7},
    {"status_since", "AGE", Show::table, Unit::age, 8},
    {"id", "ID", Show::wide},
    {"desired_state", "DESIRED", Show::wide},
    {"observed_generation", "APPLIED", Show::wide, Unit::count},
    {"total_requests", "REQUESTS", Show::wide, Unit::count},
    {"total_bytes_transferred", "BYTES", Show::wide, Unit::bytes},
    {"avg_response_time_ms", "AVG_MS", Show::wide, Unit::count},
    {"lb", "LB", Show::wide},
    {"enable_tls", "TLS", Show::wide, Unit::flag},
    {"labels", "LABELS", Show::wide, Unit::json},
    {"status_reason", "REASON", Show::wide, Unit::prose},
    {"enabled", "ENABLED", Show::full, Unit::flag},
    {"allow_open", "ALLOW_OPEN", Show::full, Unit::flag},
    {"access_log", "ACCESS_LOG", Show::full, Unit::flag},
    {"config", "CONFIG", Show::full, Unit::json},
};

inline constexpr Column server_stats_columns[] = {
    {"id", "ID", Show::wide},
    {"tenant", "TENANT"},
    {"name", "NAME"},
    {"total_connections", "CONNECTIONS", Show::table, Unit::count, 4},
    {"active_connections", "ACTIVE", Show::table, Unit::count},
    {"peak_connections", "PEAK", Show::wide, Unit::count},
    {"refused_connections", "REFUSED", Show::table, Unit::count, 6},
    {"total_requests", "REQUESTS", Show::table, Unit::count},
    {"total_bytes_transferred", "BYTES", Show::table, Unit::bytes, 2},
    {"bytes_in", "IN", Show::wide, Unit::bytes},
    {"bytes_out", "OUT", Show::wide, Unit::bytes},
    {"error_count", "ERRORS", Show::table, Unit::count, 3},
    {"avg_response_time_ms", "AVG_MS", Show::table, Unit::count, 5},
    {"p50_ms", "P50_MS", Show::table, Unit::count, 8},
    {"p95_ms", "P95_MS", Show::table, Unit::count, 7},
    {"p99_ms", "P99_MS", Show::table, Unit::count, 8},
    {"reasons", "REASONS", Show::full, Unit::json},
};

inline constexpr Column health_columns[] = {
    {"server", "SERVER"},
    {"backend", "BACKEND"},
    {"status", "STATUS", Show::table, Unit::status},
    {"latency_ms", "LATENCY", Show::table, Unit::ms},
    {"checked", "CHECKED", Show::table, Unit::time},
    {"fails", "FAILS", Show::table, Unit::count},
    {"since", "SINCE", Show::table, Unit::age},
    {"detail", "DETAIL", Show::table, Unit::prose, 1},
};

namespace look {

int run_server_stats(Context& context, const Args& args);
int run_health(Context& context, const Args& args);
int run_logs(Context& context, const Args& args);

/// The document's figures for one server as a row of server_stats_columns.
std::vector<Cell> server_stats_row(Context& context, const registry::Server& server);

inline constexpr Arg<bool> history{"--history", "the transitions instead"};
inline constexpr Arg<bool> probe_now{"--now", "let the daemon probe first"};
inline constexpr const ArgInfo* health_signature[] = {&target::refs,   &target::all,   &target::type,
                                                      &target::status, &target::label, &target::where,
                                                      &history,        &probe_now};

inline constexpr Arg<std::vector<std::string_view>> log_refs{
    "REF", "servers; default all of the tenant", {.complete = Source::server}};
inline constexpr Arg<bool> follow{"-f,--follow", "go on as lines come, over rotation too"};
inline constexpr Arg<std::chrono::milliseconds> since{
    "--since", "lines not older than this", {.metavar = "DUR"}};
inline constexpr Arg<std::int64_t> lines{
    "--lines", "at most so many of the last ones", {.fallback = "1000", .min = 0}};
inline constexpr Arg<std::string_view> grep{"--grep", "only lines with this text in them"};
inline constexpr Arg<bool> access_only{"--access", "access records only"};
inline constexpr Arg<bool> daemon_only{"--daemon", "the daemon's own log only"};
inline constexpr const ArgInfo* logs_signature[] = {&log_refs, &follow,      &since,      &lines,
                                                    &grep,     &access_only, &daemon_only};

}  // namespace look
}  // namespace arcus::cli
