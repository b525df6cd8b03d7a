#include <algorithm>
#include <map>

#include "cli/server_life.h"
#include "lib/base/error.h"
#include "lib/base/reason.h"
#include "lib/daemon/control_client.h"
#include "lib/daemon/paths.h"
#include "lib/registry/stats.h"

namespace arcus::cli::server {

using registry::Server;
using std::chrono::milliseconds;

/// Without --timeout. Long enough for every transfer, and no connection is forgotten for ever.
static constexpr milliseconds longest_drain = std::chrono::hours{24};
/// What cutting the last connections may take.
static constexpr milliseconds drain_margin = std::chrono::seconds{5};

/// Asks the daemon; false when nobody answers or may be asked.
static bool ask(Context& context, std::string_view command,
                const std::map<std::string, std::string>& arguments) {
  try {
    daemon::control_call(daemon::paths_for(context.db_path()).socket, command, arguments);
    return true;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::no_daemon && error.kind() != ErrorKind::permission) throw;
    return false;
  }
}

bool limit_drain(Context& context, const Server& server, milliseconds limit) {
  return ask(context, "stop", {{"server", server.id}, {"limit_ms", std::to_string(limit.count())}});
}

/// How many connections of each server were cut so far because it stopped.
static std::map<std::string, std::int64_t> cut_so_far(Context& context, const std::vector<Server>& servers) {
  ask(context, "stats", {});  // has the daemon write what it counted
  std::map<std::string, std::int64_t> out;
  for (const Server& server : servers)
    for (const auto& [reason, count] : registry::server_stats(context.db(), server.id).reasons)
      if (reason == name_of(Reason::draining)) out[server.id] = count;
  return out;
}

static void say_what_was_cut(Context& context, const std::vector<Server>& servers,
                             std::map<std::string, std::int64_t> before) {
  auto now = cut_so_far(context, servers);
  for (const Server& server : servers)
    if (const auto count = now[server.id] - before[server.id]; count > 0)
      context.warn(server.reference() + ": " + std::to_string(count) +
                   (count == 1 ? " connection was cut" : " connections were cut"));
}

int run_drain(Context& context, const Args& args) {
  const std::vector<Server> servers = find_targets(context, args, false);
  const milliseconds limit = std::min(context.settings().timeout.value_or(longest_drain), longest_drain);
  Wait wait{.action = "drain", .until = Until::stopped, .limit = limit, .margin = drain_margin};
  std::map<std::string, std::int64_t> before;
  // The daemon stops a server as soon as it sees the wish: it has to know the limit before.
  if (!context.dry_run() && context.daemon_runs()) {
    before = cut_so_far(context, servers);
    const bool told = std::ranges::all_of(
        servers, [&](const Server& server) { return limit_drain(context, server, limit); });
    if (!told) context.note("the daemon does not answer on its socket: drain_timeout of each server holds");
    if (!told) wait.limit = stop_limit(servers);
  }
  const std::vector<Server> after = record(context, servers, wish_stopped);
  if (context.dry_run()) return would(context, servers, wait.action);
  const int code = wait_and_report(context, after, wait);
  if (context.settings().wait && context.daemon_runs()) say_what_was_cut(context, after, before);
  return code;
}

}  // namespace arcus::cli::server
