#include "cli/look.h"

#include <nlohmann/json.hpp>

#include "cli/core/rows.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/base/units.h"
#include "lib/daemon/control_client.h"
#include "lib/daemon/paths.h"
#include "lib/db/database.h"
#include "lib/db/lock_file.h"
#include "lib/registry/history.h"
#include "lib/registry/observed.h"
#include "lib/registry/stats.h"
#include "lib/registry/view.h"

namespace arcus::cli {
namespace look {

static Cell rounded(const std::optional<double>& ms) {
  if (!ms) return {};
  return static_cast<double>(static_cast<std::int64_t>(*ms * 1000 + 0.5)) / 1000;
}

std::vector<Cell> server_stats_row(Context& context, const registry::Server& server) {
  const registry::ServerStats s = registry::server_stats(context.db(), server.id);
  nlohmann::ordered_json reasons = nlohmann::ordered_json::object();
  for (const auto& [reason, count] : s.reasons) reasons[reason] = count;
  return {server.id,
          server.tenant,
          server.name,
          s.total_connections,
          s.active_connections,
          s.peak_connections,
          s.refused_connections,
          s.total_requests,
          s.total_bytes_transferred,
          s.bytes_in,
          s.bytes_out,
          s.error_count,
          rounded(s.avg_response_time_ms),
          rounded(s.p50_ms),
          rounded(s.p95_ms),
          rounded(s.p99_ms),
          JsonText{reasons.dump()}};
}

int run_server_stats(Context& context, const Args& args) {
  Table table{server_stats_columns};
  for (const registry::Server& server : find_targets(context, args, true))
    table.add_row(server_stats_row(context, server));
  context.out().list(table);
  return exit_code::ok;
}

static int print_history(Context& context, const std::vector<registry::Server>& servers) {
  static constexpr Column columns[] = {{"id", "ID", Show::wide, Unit::count},
                                       {"at", "AT", Show::table, Unit::time},
                                       {"object", "OBJECT"},
                                       {"health_before", "BEFORE", Show::table, Unit::status},
                                       {"health", "HEALTH", Show::table, Unit::status},
                                       {"detail", "DETAIL", Show::table, Unit::prose}};
  registry::Rows all;
  for (const registry::Server& server : servers) {
    registry::Rows rows = registry::list_health_events(context.db(), server.id, 0);
    all.columns = rows.columns;
    for (auto& row : rows.rows) all.rows.push_back(std::move(row));
  }
  context.out().list(table_of(all, columns, context.out().machine()));
  return exit_code::ok;
}

int run_health(Context& context, const Args& args) {
  if (args[probe_now])
    daemon::control_call(daemon::paths_for(context.db_path()).socket, "probe", {}, std::chrono::seconds{30});
  const std::vector<registry::Server> servers = find_targets(context, args, true);
  if (args[history]) return print_history(context, servers);
  std::vector<std::string> wanted;
  for (const registry::Server& server : servers) wanted.push_back(server.reference());
  registry::Rows rows = registry::people_view(context.db(), "health");
  const std::size_t name = rows.column("server");
  std::erase_if(rows.rows, [&](const auto& row) {
    return std::ranges::find(wanted, std::get<std::string>(row[name])) == wanted.end();
  });
  bool unhealthy = false;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) unhealthy |= text_at(rows, i, "status") == "unhealthy";
  context.out().list(table_of(rows, health_columns, context.out().machine()));
  return unhealthy ? exit_code::failed : exit_code::ok;
}

}  // namespace look

namespace {

// -- stats
// --------------------------------------------------------------------------------------------------------------

constexpr Arg<std::string_view> what{
    "WHAT",
    "registry, tenant or server",
    {.fallback = "registry", .choices = "registry|tenant|server", .complete = Source::choices}};
constexpr Arg<std::string_view> reference{"REF", "which tenant or server", {.complete = Source::server}};
constexpr const ArgInfo* stats_signature[] = {&what, &reference};

/// Those of a tenant, and behind them what only the registry has.
constexpr Column stats_columns[] = {
    {"tenant"},
    {"total_servers"},
    {"running_servers"},
    {"stopped_servers"},
    {"error_servers"},
    {"total_connections"},
    {"active_connections"},
    {"refused_connections"},
    {"total_requests"},
    {"total_bytes_transferred", {}, Show::table, Unit::bytes},
    {"bytes_in", {}, Show::table, Unit::bytes},
    {"bytes_out", {}, Show::table, Unit::bytes},
    {"error_count"},
    {"avg_response_time_ms", {}, Show::table, Unit::count},
    {"total_tenants"},
    {"rss_bytes", {}, Show::table, Unit::bytes},
    {"cpu_ms", {}, Show::table, Unit::ms},
    {"open_fds"},
};
constexpr std::span<const Column> all_stats{stats_columns};
constexpr auto tenant_stats = all_stats.first(14);
constexpr auto registry_stats = all_stats.subspan(1);

/// Appends total_servers to avg_response_time_ms.
void add_sums(std::vector<Cell>& row, const auto& s) {
  for (const std::int64_t number :
       {s.total_servers, s.running_servers, s.stopped_servers, s.error_servers, s.total_connections,
        s.active_connections, s.refused_connections, s.total_requests, s.total_bytes_transferred, s.bytes_in,
        s.bytes_out, s.error_count})
    row.emplace_back(number);
  row.push_back(look::rounded(s.avg_response_time_ms));
}

void print_registry_stats(Context& context) {
  const registry::RegistryStats s = registry::registry_stats(context.db());
  std::vector<Cell> row;
  add_sums(row, s);
  for (const std::int64_t number : {s.total_tenants, s.rss_bytes, s.cpu_ms, s.open_fds})
    row.emplace_back(number);
  Table table{registry_stats};
  table.add_row(std::move(row));
  context.out().object(table);
}

void print_tenant_stats(Context& context, std::string_view word) {
  const registry::TenantStats s = registry::tenant_stats(context.db(), find_tenant_target(context, word).id);
  std::vector<Cell> row;
  row.emplace_back(s.tenant);
  add_sums(row, s);
  Table table{tenant_stats};
  table.add_row(std::move(row));
  context.out().object(table);
}

int run_stats(Context& context, const Args& args) {
  if (args[what] == "registry") {
    print_registry_stats(context);
  } else if (args[what] == "tenant") {
    print_tenant_stats(context, args[reference]);
  } else {
    if (args[reference].empty())
      throw Error{ErrorKind::usage, "'stats server' needs REF"}.with_hint("arcusctl server stats --all");
    Table table{server_stats_columns};
    table.add_row(look::server_stats_row(context, find_target(context, args[reference])));
    context.out().object(table);
  }
  return exit_code::ok;
}

// -- status
// -------------------------------------------------------------------------------------------------------------

constexpr Column tenant_status_columns[] = {
    {"name", "TENANT"},
    {"total_servers", "SERVERS", Show::table, Unit::count},
    {"running_servers", "RUNNING", Show::table, Unit::count},
    {"error_servers", "ERROR", Show::table, Unit::count},
    {"active_connections", "CONNS", Show::table, Unit::count, 2},
    {"request_rate", "REQ/S", Show::table, Unit::per_second, 1},
};

std::string daemon_line(Context& context) {
  const auto holder = find_run_holder(context.db_path());
  if (!holder) return "daemon: none (arcusctl run -d starts one)";
  std::string line = "daemon: pid " + std::to_string(holder->pid) + ", version " + holder->version;
  if (const auto since = parse_time(holder->started_at)) line += ", up " + age_text(wall_now() - *since);
  return line;
}

/// `running`, one word per server; exit 0 only when all run and none is unhealthy, as `systemctl is-active`.
int print_words(Context& context, const Args& args) {
  std::vector<std::string> ids;
  for (const registry::Server& server : find_targets(context, args, false)) ids.push_back(server.id);
  const registry::Rows rows = registry::servers_full(context.db(), ids);
  if (context.out().machine()) context.out().list(table_of(rows, server_columns, true));
  bool good = true;
  for (std::size_t i = 0; i < rows.rows.size(); ++i) {
    const std::string status = text_at(rows, i, "status");
    if (!context.out().machine()) context.out().line(context.out().paint(status_colour(status), status));
    good &= status == "running" && text_at(rows, i, "health") != "unhealthy";
  }
  return good ? exit_code::ok : exit_code::failed;
}

void print_status_json(Context& context) {
  const auto holder = find_run_holder(context.db_path());
  const registry::RegistryStats s = registry::registry_stats(context.db());
  nlohmann::ordered_json problems = nlohmann::ordered_json::array();
  const registry::Rows rows = registry::people_view(context.db(), "problems");
  for (std::size_t i = 0; i < rows.rows.size(); ++i)
    problems.push_back({{"level", text_at(rows, i, "level")},
                        {"what", text_at(rows, i, "what")},
                        {"problem", text_at(rows, i, "problem")},
                        {"try", text_at(rows, i, "try")}});
  nlohmann::ordered_json daemon = nullptr;
  if (holder)
    daemon = {{"pid", holder->pid}, {"version", holder->version}, {"started_at", holder->started_at}};
  const nlohmann::ordered_json all{{"db", context.db_path()},
                                   {"daemon", daemon},
                                   {"total_servers", s.total_servers},
                                   {"running_servers", s.running_servers},
                                   {"stopped_servers", s.stopped_servers},
                                   {"error_servers", s.error_servers},
                                   {"total_tenants", s.total_tenants},
                                   {"active_connections", s.active_connections},
                                   {"total_requests", s.total_requests},
                                   {"problems", problems}};
  context.out().json_text(all.dump());
}

int run_status(Context& context, const Args& args) {
  if (!args[target::refs].empty()) return print_words(context, args);
  Output& out = context.out();
  if (out.json() || out.options().format == Format::field) {
    print_status_json(context);
    return exit_code::ok;
  }
  const registry::Rows tenants = registry::tenants_full(context.db());
  if (out.machine()) {
    out.list(table_of(tenants, tenant_status_columns, true));
    return exit_code::ok;
  }
  out.line("registry: " + context.db_path());
  out.line(daemon_line(context));
  out.raw("\n");
  out.list(table_of(tenants, tenant_status_columns, false));
  const registry::Rows problems = registry::people_view(context.db(), "problems");
  if (problems.rows.empty()) return exit_code::ok;
  out.raw("\n");
  for (std::size_t i = 0; i < problems.rows.size(); ++i) {
    const std::string level = text_at(problems, i, "level");
    out.line(out.paint(level == "error" ? "red" : "yellow", level) + "  " + text_at(problems, i, "what") +
             ": " + escape_terminal(text_at(problems, i, "problem")) +
             "\n  try: " + text_at(problems, i, "try"));
  }
  return exit_code::ok;
}

constexpr const ArgInfo* status_signature[] = {&target::refs,   &target::all,   &target::type,
                                               &target::status, &target::label, &target::where};

constexpr Example status_examples[] = {{"arcusctl status", "daemon, tenants, problems"},
                                       {"arcusctl status acme/web", "one word; exit 0 only when it runs"}};
constexpr Example stats_examples[] = {{"arcusctl stats", "the registry's totals"},
                                      {"arcusctl stats tenant acme -o json", ""},
                                      {"arcusctl stats server acme/web", "with response times and reasons"}};
constexpr Example health_examples[] = {{"arcusctl health", "every server"},
                                       {"arcusctl health acme/web --history", ""}};
constexpr Example logs_examples[] = {{"arcusctl logs -f", "everything, as it comes"},
                                     {"arcusctl logs acme/web --since 10m --grep ' 502 '", ""},
                                     {"arcusctl logs --daemon", "what the daemon says"}};
constexpr ExitNote status_exits[] = {{exit_code::failed, "with REF: not all run"}};
constexpr ExitNote health_exits[] = {{exit_code::failed, "a server is unhealthy"}};

constexpr Command status_commands[] = {{"",
                                        "the daemon, the tenants and what is wrong",
                                        status_signature,
                                        run_status,
                                        {.lists = true, .examples = status_examples, .exits = status_exits}}};
constexpr Command stats_commands[] = {{"",
                                       "counters of the registry, a tenant or a server",
                                       stats_signature,
                                       run_stats,
                                       {.lists = true, .examples = stats_examples}}};
constexpr Command health_commands[] = {
    {"",
     "results of the checks of servers and their backends",
     look::health_signature,
     look::run_health,
     {.lists = true, .examples = health_examples, .columns = health_columns, .exits = health_exits}}};
constexpr Command logs_commands[] = {{"",
                                      "daemon and access logs by time",
                                      look::logs_signature,
                                      look::run_logs,
                                      {.examples = logs_examples}}};

}  // namespace

extern const Noun status_noun;
extern const Noun stats_noun;
extern const Noun health_noun;
extern const Noun logs_noun;
constinit const Noun status_noun{"status", "the daemon, the tenants and what is wrong", Group::start,
                                 status_commands};
constinit const Noun stats_noun{"stats", "counters of the registry, a tenant or a server", Group::look,
                                stats_commands};
constinit const Noun health_noun{"health", "results of the health checks", Group::look, health_commands};
constinit const Noun logs_noun{"logs", "daemon and access logs by time", Group::look, logs_commands};

}  // namespace arcus::cli
