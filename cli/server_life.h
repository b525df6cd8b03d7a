#pragma once

#include <functional>
#include <vector>

#include "cli/server.h"

/// What the lifecycle verbs have in common: a wish is recorded for all, then each is waited for.
namespace arcus::cli::server {

using Wish = std::function<registry::Server(Database& db, const registry::Server& server)>;
registry::Server wish_stopped(Database& db, const registry::Server& server);

/// Records `wish` for all in one transaction; the rows as they are then.
std::vector<registry::Server> record(Context& context, const std::vector<registry::Server>& servers,
                                     const Wish& wish);
/// What --dry-run says instead of waiting.
int would(Context& context, const std::vector<registry::Server>& servers, std::string_view action);
/// Waits for `servers`, and says how each of them ended when it has.
int wait_and_report(Context& context, const std::vector<registry::Server>& servers, const Wait& wait);

/// Tells the daemon how long the connections of `server` may go on once it is stopped, or from now on when it
/// drains already.  False when nobody answers, or may be asked.
bool limit_drain(Context& context, const registry::Server& server, std::chrono::milliseconds limit);

}  // namespace arcus::cli::server
