#include "cli/core/context.h"
#include "cli/launch.h"
#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::cli {
namespace {

using Duration = std::chrono::milliseconds;

constexpr Arg<bool> detach{"-d,--detach",
                           "in the background; returns when every server has had its first outcome"};
constexpr Arg<bool> strict{"--strict", "stop again with exit 1 when a server does not start"};
constexpr Arg<std::string_view> log_file{"--log-file",
                                         "the daemon's log; default stderr, with -d daemon.log",
                                         {.metavar = "PATH", .complete = Source::file}};
constexpr Arg<std::string_view> log_format{
    "--log-format",
    "how log lines look",
    {.fallback = "text", .metavar = "FMT", .choices = "text|json|journal", .complete = Source::choices}};
constexpr Arg<Duration> health_interval{
    "--health-interval", "between two health polls; default the setting", {.min = 100}};
constexpr Arg<bool> health_check{
    "--health-check", "poll every server's listener; default the setting", {.negatable = true}};
constexpr Arg<bool> auto_start{"--auto-start",
                               "start what is wanted running; else hold it until its row changes",
                               {.negatable = true, .fallback = "true"}};
constexpr Arg<Duration> stats_interval{
    "--stats-interval", "between two writes of counts; default the setting", {.min = 10}};
constexpr Arg<Duration> drain_timeout{
    "--drain-timeout", "for connections to end on stop; default the setting", {.min = 0}};
constexpr Arg<std::int64_t> threads{
    "--threads", "data threads of a worker; 0 = one per processor", {.fallback = "0", .min = 0, .max = 256}};
constexpr const ArgInfo* signature[] = {&detach,          &strict,       &log_file,   &log_format,
                                        &health_interval, &health_check, &auto_start, &stats_interval,
                                        &drain_timeout,   &threads};

constexpr Example examples[] = {
    {"arcusctl run -d", "start everything that is wanted running, in the background"},
    {"arcusctl run", "the same in front of you; Ctrl-C drains, again stops"},
    {"arcusctl run --no-auto-start", "hold all servers until they are changed or restarted"},
};
constexpr ExitNote exits[] = {
    {exit_code::ok, "all servers run, or a daemon runs already; without -d: it was stopped"},
    {exit_code::failed, "with --strict: a server did not start"},
    {exit_code::partial, "with -d: some servers did not start; the daemon stays"},
};
constexpr Column columns[] = {{"server"},
                              {"type"},
                              {"listen"},
                              {"status", "STATUS", Show::table, Unit::status},
                              {"last_error", "ERROR", Show::table, Unit::prose}};

daemon::RunOptions options_of(Context& context, const Args& args) {
  daemon::RunOptions options = default_run_options(context);
  options.log_file = args[log_file];
  if (args[log_format] == "json") options.log_format = LogFormat::json;
  if (args[log_format] == "journal") options.log_format = LogFormat::journal;
  options.auto_start = args[auto_start];
  options.health_check = args.given(health_check);
  options.health_interval = args.given(health_interval);
  options.stats_interval = args.given(stats_interval);
  options.drain_timeout = args.given(drain_timeout);
  options.threads = args[threads];
  return options;
}

void print_ready(Context& context, const daemon::Ready& ready) {
  Table table{columns};
  for (const auto& server : ready.servers)
    table.add(server.reference, server.type, server.address, server.status,
              server.error.empty() ? std::nullopt : std::optional{server.error});
  const Output& out = context.out();
  if (out.machine()) {
    context.out().list(table);
    context.out().flush();
  } else if (!table.empty()) {
    OutputOptions plain = out.options();
    plain.color = false;  // a note shows no control byte
    std::string text = screen_table(table, select(table, plain), plain);
    while (text.ends_with('\n')) text.pop_back();
    for (const std::string& line : split(text, '\n')) context.note(line);
  }
  context.note(ready.to_string());
}

int run(Context& context, const Args& args) {
  close_inherited();
  daemon::RunOptions options = options_of(context, args);
  if (args[detach]) return start_detached(context, std::move(options), args[strict]);
  ensure_registry(context);
  auto lock = daemon::take_run_lock(options.paths.db);
  if (const auto* holder = std::get_if<RunHolder>(&lock)) {
    context.out().line("already running, pid " + std::to_string(holder->pid));
    return exit_code::ok;
  }
  const bool is_strict = args[strict];
  options.on_ready = [&context, is_strict](const daemon::Ready& ready) {
    print_ready(context, ready);
    return !(is_strict && ready.count.error > 0);
  };
  options.on_notice = [&context](std::string_view text) { context.note(text); };
  return daemon::run(std::get<LockFile>(std::move(lock)), context.catalog(), std::move(options));
}

constexpr Command commands[] = {
    {"",
     "run the daemon for this registry",
     signature,
     run,
     {.needs_db = false, .examples = examples, .exits = exits}},
};

}  // namespace

extern const Noun run_noun;
constinit const Noun run_noun{"run", "run the daemon for this registry", Group::start, commands};

}  // namespace arcus::cli
