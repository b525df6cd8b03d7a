#include <algorithm>
#include <limits>

#include "cli/core/context.h"
#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/base/units.h"
#include "lib/daemon/old_logs.h"
#include "lib/daemon/paths.h"
#include "lib/registry/retention.h"
#include "lib/registry/servers.h"
#include "lib/registry/settings.h"

namespace arcus::cli {
namespace {

constexpr std::string_view details =
    "The daemon does the same for events, audit rows and logs once an hour, by the settings retention.*; 0 "
    "keeps for ever. Servers go only when asked for. What they counted stays in their tenant's totals.";

constexpr Arg<std::chrono::milliseconds> stopped_for{
    "--servers-stopped-for", "remove servers that were told to stop longer ago", {.metavar = "DUR"}};
constexpr const ArgInfo* signature[] = {&stopped_for};
constexpr Example examples[] = {
    {"arcusctl gc -n", "what would go"},
    {"arcusctl gc --servers-stopped-for 30d --yes", "servers that nobody misses too"}};
constexpr Column columns[] = {{"what", "WHAT"},
                              {"count", "COUNT", Show::table, Unit::count},
                              {"bytes", "BYTES", Show::table, Unit::bytes}};

/// Stopped by wish, and nothing was changed about them since `limit`.
std::vector<registry::Server> forgotten(Context& context, const std::string& limit) {
  std::vector<registry::Server> out;
  for (registry::Server& server : registry::list_servers(context.db())) {
    if (server.desired_state != "stopped" || server.updated_at >= limit) continue;
    if (!context.tenant().empty() && server.tenant != context.tenant()) continue;
    const registry::ServerState state = registry::server_state(context.db(), server.id);
    const bool has_ended = state.status.empty() || state.status == "stopped" || state.status == "error";
    if (has_ended && state.status_since < limit) out.push_back(std::move(server));
  }
  return out;
}

int run(Context& context, const Args& args) {
  const registry::Retention kept = registry::load_settings(context.db()).retention;
  std::vector<registry::Server> servers;
  if (args.has(stopped_for)) {
    servers = forgotten(context, to_text(wall_now() - args[stopped_for]));
    if (!servers.empty()) {
      context.confirm("remove " + std::to_string(servers.size()) +
                      (servers.size() == 1 ? " server?" : " servers?"));
      context.change([&](Database& db) {
        // Whoever was started, changed or removed while the question stood is left alone.
        std::erase_if(servers, [&db](const registry::Server& one) {
          const auto now = registry::find_server(db, one.id);
          return !now || now->desired_state != "stopped" || now->generation != one.generation;
        });
        for (const registry::Server& one : servers) registry::remove_server(db, one.id);
      });
    }
  }
  // In pieces, as the daemon does it: others want to write as well. A dry run takes nothing, so it is one
  // piece.
  const std::int64_t most = context.dry_run() ? std::numeric_limits<std::int32_t>::max() : 5'000;
  registry::Garbage gone;
  for (bool more = true; more;) {
    registry::Garbage part;
    context.change([&](Database& db) { part = registry::remove_old_events(db, kept, wall_now(), most); });
    gone.events += part.events;
    gone.health_events += part.health_events;
    more = std::max(part.events, part.health_events) >= most;
  }
  std::int64_t audit_rows = 0;
  try {
    for (std::int64_t part = most; part >= most; audit_rows += part)
      context.change([&](Database& db) { part = registry::prune_old_audit(db, kept, wall_now(), most); });
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::conflict) throw;
    context.note(std::string{"audit rows stay: "} + error.what());
  }
  auto logs = kept.logs.count() > 0
                  ? daemon::find_old_logs(daemon::paths_for(context.db_path()).log_dir, kept.logs)
                  : std::vector<daemon::OldLog>{};
  if (!context.dry_run()) logs = daemon::remove_logs(logs);
  std::int64_t bytes = 0;
  for (const auto& log : logs) bytes += static_cast<std::int64_t>(log.bytes);

  if (context.dry_run()) context.note("would remove");
  Table table{columns};
  table.add("servers", std::ssize(servers), Cell{});
  table.add("events", gone.events, Cell{});
  table.add("health_events", gone.health_events, Cell{});
  table.add("audit_rows", audit_rows, Cell{});
  table.add("logs", std::ssize(logs), bytes);
  context.out().list(table);
  return exit_code::ok;
}

constexpr Command commands[] = {
    {"",
     "remove what is older than the settings retention.* say",
     signature,
     run,
     {.mutating = true, .lists = true, .examples = examples, .columns = columns, .details = details}}};

}  // namespace

extern const Noun gc_noun;
constinit const Noun gc_noun{"gc", "remove what is no longer needed", Group::file, commands};

}  // namespace arcus::cli
