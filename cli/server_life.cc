#include "cli/server_life.h"

#include <algorithm>
#include <thread>

#include "cli/core/rows.h"
#include "lib/base/error.h"
#include "lib/daemon/control_client.h"
#include "lib/daemon/paths.h"
#include "lib/db/database.h"
#include "lib/registry/view.h"

namespace arcus::cli::server {

using registry::Server;

static constexpr std::chrono::seconds stop_margin{5};
static constexpr std::chrono::milliseconds poll_interval{50};

std::chrono::milliseconds stop_limit(const std::vector<Server>& servers) {
  std::int64_t longest = 0;
  for (const Server& server : servers) longest = std::max(longest, server.drain_timeout_ms);
  return std::chrono::milliseconds{longest} + stop_margin;
}

std::vector<Server> record(Context& context, const std::vector<Server>& servers, const Wish& wish) {
  std::vector<Server> after;
  context.change([&](Database& db) {
    for (const Server& server : servers) {
      context.check_generation(server.generation, server.reference());
      after.push_back(wish(db, server));
    }
  });
  return after;
}

int would(Context& context, const std::vector<Server>& servers, std::string_view action) {
  std::vector<Outcome> outcomes;
  for (const Server& server : servers)
    outcomes.push_back({.id = server.id,
                        .tenant = server.tenant,
                        .name = server.name,
                        .action = std::string{action},
                        .status = "unchanged"});
  return report(context, outcomes);
}

int wait_and_report(Context& context, const std::vector<Server>& servers, const Wait& wait) {
  Report rows{context, servers};
  return rows.finish(await_servers(context, servers, wait, [&](const auto& some) { rows.ended(some); }));
}

static int wish_and_wait(Context& context, const std::vector<Server>& servers, const Wish& wish,
                         const Wait& wait) {
  const std::vector<Server> after = record(context, servers, wish);
  if (context.dry_run()) return would(context, servers, wait.action);
  return wait_and_report(context, after, wait);
}

int start_all(Context& context, const std::vector<Server>& servers) {
  // One that is wanted but failed, or is held by `run --no-auto-start`, is tried now.
  const bool daemon = context.daemon_runs();
  const auto wish = [&](Database& db, const Server& server) {
    const std::string status = registry::server_state(db, server.id).status;
    const bool idle = server.desired_state == "running" && (status == "error" || status == "stopped");
    return daemon && idle ? registry::want_restart(db, server.id) : registry::want_running(db, server.id);
  };
  return wish_and_wait(context, servers, wish,
                       {.action = "start", .until = Until::running, .needs_daemon = true});
}

/// Asks the daemon not to drain. Without a daemon there is nothing to cut.
static void cut(Context& context, const std::vector<Server>& servers) {
  const daemon::Paths paths = daemon::paths_for(context.db_path());
  for (const Server& server : servers) daemon::control_call(paths.socket, "stop", {{"server", server.id}});
}

/// Those that drain already, perhaps for as long as it takes, get their drain_timeout from now on.
static void hurry(Context& context, const std::vector<Server>& servers) {
  for (const Server& server : servers)
    if (registry::server_state(context.db(), server.id).status == "stopping")
      limit_drain(context, server, std::chrono::milliseconds{server.drain_timeout_ms});
}

Server wish_stopped(Database& db, const Server& server) { return registry::want_stopped(db, server.id); }

int stop_all(Context& context, const std::vector<Server>& servers, bool now) {
  const std::vector<Server> after = record(context, servers, wish_stopped);
  const Wait wait{.action = "stop", .until = Until::stopped, .limit = stop_limit(servers)};
  if (context.dry_run()) return would(context, servers, wait.action);
  if (context.daemon_runs()) now ? cut(context, after) : hurry(context, after);
  return wait_and_report(context, after, wait);
}

int restart_all(Context& context, const std::vector<Server>& servers, std::size_t at_once) {
  const auto wish = [](Database& db, const Server& server) { return registry::want_restart(db, server.id); };
  const Wait wait{
      .action = "restart", .until = Until::running, .needs_daemon = true, .limit = stop_limit(servers)};
  if (at_once == 0 || context.dry_run()) return wish_and_wait(context, servers, wish, wait);
  Report rows{context, servers};
  std::vector<Outcome> all;
  for (std::size_t first = 0; first < servers.size(); first += at_once) {
    const auto begin = servers.begin() + static_cast<std::ptrdiff_t>(first);
    const std::vector<Server> batch(
        begin, begin + static_cast<std::ptrdiff_t>(std::min(at_once, servers.size() - first)));
    const std::vector<Outcome> outcomes = await_servers(context, record(context, batch, wish), wait,
                                                        [&](const auto& some) { rows.ended(some); });
    all.insert(all.end(), outcomes.begin(), outcomes.end());
    // What goes wrong with the first must not go wrong with the rest.
    if (std::ranges::any_of(outcomes, [](const Outcome& row) { return row.code != exit_code::ok; })) break;
  }
  return rows.finish(all);
}

int reload_all(Context& context, const std::vector<Server>& servers) {
  const auto wish = [](Database& db, const Server& server) { return registry::want_reload(db, server.id); };
  return wish_and_wait(context, servers, wish, {.action = "reload", .needs_daemon = true});
}

static void confirm_removal(Context& context, const std::vector<Server>& servers) {
  const bool running = std::ranges::any_of(servers, [&](const Server& server) {
    return context.daemon_runs() && registry::server_state(context.db(), server.id).status == "running";
  });
  if (servers.size() > 1)
    context.confirm("remove " + std::to_string(servers.size()) + " servers?");
  else if (running)
    context.confirm("remove the running server " + servers[0].reference() + "?");
}

int remove_all(Context& context, const std::vector<Server>& servers) {
  if (!servers.empty()) confirm_removal(context, servers);
  Report rows{context, servers};
  return rows.finish(stop_and_remove(context, servers, rows));
}

/// Removes those that listen no longer, also those in error; one that did not stop in time stays.
static void remove_ended(Context& context, std::vector<Outcome>& some) {
  context.change([&](Database& db) {
    for (Outcome& outcome : some) {
      if (outcome.code != exit_code::ok && outcome.code != exit_code::failed) continue;
      if (outcome.status == "removed") continue;  // by somebody else
      registry::remove_server(db, outcome.id);
      outcome = {.id = outcome.id,
                 .tenant = outcome.tenant,
                 .name = outcome.name,
                 .action = outcome.action,
                 .status = context.dry_run() ? "would_be_removed" : "removed",
                 .took = outcome.took};
    }
  });
}

std::vector<Outcome> stop_and_remove(Context& context, const std::vector<Server>& servers, Report& rows) {
  if (context.settings().wait && context.daemon_runs() && !context.dry_run()) {
    const std::vector<Server> after = record(context, servers, wish_stopped);
    hurry(context, after);
    const Wait wait{.action = "remove", .until = Until::stopped, .limit = stop_limit(servers)};
    return await_servers(context, after, wait, [&](std::vector<Outcome>& some) {
      remove_ended(context, some);
      rows.ended(some);
    });
  }
  std::vector<Outcome> outcomes;
  for (const Server& server : servers)
    outcomes.push_back({.id = server.id, .tenant = server.tenant, .name = server.name, .action = "remove"});
  remove_ended(context, outcomes);
  return outcomes;
}

int run_start(Context& context, const Args& args) {
  return start_all(context, find_targets(context, args, false));
}
int run_stop(Context& context, const Args& args) {
  return stop_all(context, find_targets(context, args, false), args[stop_now]);
}
int run_remove(Context& context, const Args& args) {
  return remove_all(context, find_targets(context, args, false));
}
int run_restart(Context& context, const Args& args) {
  return restart_all(context, find_targets(context, args, false), static_cast<std::size_t>(args[rolling]));
}

static bool holds(const registry::Rows& rows, std::size_t row, std::string_view what) {
  const std::string status = text_at(rows, row, "status");
  if (what == "healthy") return status == "running" && text_at(rows, row, "health") == "healthy";
  if (what == "idle") return number_at(rows, row, "active_connections") == 0;
  return status == what;
}

int run_wait(Context& context, const Args& args) {
  const std::vector<Server> servers = find_targets(context, args, false);
  std::vector<std::string> ids;
  for (const Server& server : servers) ids.push_back(server.id);
  const std::string_view what = args[wait_for];
  const auto started = std::chrono::steady_clock::now();
  const auto deadline = context.deadline(std::chrono::seconds{30});
  Progress progress{context, "waiting for " + std::string{what}, ids.size()};
  for (;;) {
    if (what != "stopped" && !context.daemon_runs())
      throw Error{ErrorKind::no_daemon, "no daemon runs, so nothing becomes " + std::string{what}}.with_hint(
          "arcusctl run -d");
    const registry::Rows rows = registry::servers_full(context.db(), ids);
    std::vector<Outcome> outcomes;
    std::size_t open = 0;
    const auto now = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < rows.rows.size(); ++i) {
      Outcome outcome{.id = text_at(rows, i, "id"),
                      .tenant = text_at(rows, i, "tenant"),
                      .name = text_at(rows, i, "name"),
                      .action = "wait",
                      .status = text_at(rows, i, "status"),
                      .took = std::chrono::duration_cast<std::chrono::milliseconds>(now - started)};
      if (!holds(rows, i, what)) {
        ++open;
        outcome.code = exit_code::timeout;
        outcome.error = "is not " + std::string{what};
      } else if (what == "healthy" || what == "idle") {
        outcome.status = what;
      }
      outcomes.push_back(std::move(outcome));
    }
    if (open == 0 || now >= deadline) return report(context, outcomes);
    progress.update(ids.size() - open, 0);
    std::this_thread::sleep_for(poll_interval);
  }
}

}  // namespace arcus::cli::server
