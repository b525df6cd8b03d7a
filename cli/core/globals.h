#pragma once

#include "cli/core/args.h"
#include "cli/core/command.h"
#include "cli/core/context.h"

/// The flags that stand before or after any noun and verb.
namespace arcus::cli::global {

inline constexpr Arg<std::string_view> db{
    "--db", "the registry file", {.metavar = "PATH", .env = "ARCUS_DB", .complete = Source::file}};
inline constexpr Arg<std::string_view> tenant{
    "-t,--tenant",
    "work inside this tenant",
    {.metavar = "NAME", .env = "ARCUS_TENANT", .complete = Source::tenant}};
inline constexpr Arg<std::string_view> output{
    "-o,--output",
    "table, wide, json, jsonl, tsv, csv, name or field=/json/pointer",
    {.fallback = "table", .metavar = "FMT", .env = "ARCUS_OUTPUT", .complete = Source::choices}};
inline constexpr Arg<std::string_view> format{
    "--format", "one line per object: '{tenant}/{name} {listen}'", {.metavar = "TEXT"}};
inline constexpr Arg<bool> quiet{"-q,--quiet", "ids only, one a line; no notes"};
inline constexpr Arg<bool> yes{"-y,--yes", "no questions", {.env = "ARCUS_YES"}};
inline constexpr Arg<std::string_view> color{
    "--color",
    "colours; NO_COLOR and CLICOLOR_FORCE are honoured",
    {.fallback = "auto", .metavar = "WHEN", .choices = "auto|always|never", .complete = Source::choices}};
inline constexpr Arg<std::string_view> time{
    "--time",
    "how times read; default relative on a terminal, iso otherwise",
    {.metavar = "STYLE", .env = "ARCUS_TIME", .choices = "relative|iso|local", .complete = Source::choices}};
inline constexpr Arg<bool> verbose{"-v,--verbose", "more log on stderr; twice for debug", {.repeat = true}};
inline constexpr Arg<std::string_view> log_level{
    "--log-level",
    "error, warn, info, debug or trace; per module: info,tls=debug",
    {.metavar = "LEVEL", .env = "ARCUS_LOG"}};
inline constexpr Arg<bool> help{"-h,--help", "this help"};

inline constexpr Arg<std::string_view> columns{
    "-c,--columns", "these columns, separated by commas", {.metavar = "A,B", .complete = Source::columns}};
inline constexpr Arg<std::string_view> sort{"--sort",
                                            "order by this column; -column for descending",
                                            {.metavar = "[-]COL", .complete = Source::columns}};
inline constexpr Arg<std::int64_t> limit{"--limit", "at most this many rows", {.metavar = "N", .min = 0}};
inline constexpr Arg<bool> no_headers{"--no-headers", "no heading line"};
inline constexpr Arg<std::chrono::milliseconds> watch{"-w,--watch",
                                                      "repeat; on a pipe one JSON line per change",
                                                      {.optional_value = true, .metavar = "DUR", .min = 100}};

inline constexpr Arg<bool> dry_run{"-n,--dry-run", "show what would change"};
inline constexpr Arg<std::string_view> reason{
    "--reason", "stored in the audit row", {.metavar = "TEXT", .env = "ARCUS_REASON"}};
inline constexpr Arg<std::int64_t> if_generation{"--if-generation",
                                                 "only if the object still has this generation, else exit 4",
                                                 {.metavar = "N", .min = 0}};

inline constexpr Arg<bool> wait{"--wait", "wait for the daemon", {.negatable = true, .fallback = "true"}};
inline constexpr Arg<std::chrono::milliseconds> timeout{
    "--timeout", "how long to wait; default 30s", {.metavar = "DUR", .env = "ARCUS_TIMEOUT", .min = 1}};

inline constexpr const ArgInfo* always[] = {&db,    &tenant, &output,  &format,    &quiet, &yes,
                                            &color, &time,   &verbose, &log_level, &help};
inline constexpr const ArgInfo* of_lists[] = {&columns, &sort, &limit, &no_headers, &watch};
inline constexpr const ArgInfo* of_changes[] = {&dry_run, &reason, &if_generation};
inline constexpr const ArgInfo* of_waiting[] = {&wait, &timeout};

/// All of them.
std::vector<const ArgInfo*> all();
/// Those that mean something for `command`, in the order help shows them.
std::vector<const ArgInfo*> for_command(const Command& command);
/// What flags, environment and terminal say together.  Throws Error{usage} on a bad value.
Settings settings(const Args& args, const Noun& noun, const Command& command);
/// Whether colours go to descriptor `fd` under --color `when` and the environment.
bool wants_color(std::string_view when, int fd);
/// A non-empty environment variable, or "".
std::string_view environment(std::string_view name);

}  // namespace arcus::cli::global
