#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/server_type.h"
#include "lib/daemon/paths.h"
#include "lib/daemon/supervisor.h"
#include "lib/db/lock_file.h"

namespace arcus::daemon {

/// What a started daemon says when every server has had its first outcome.
struct Ready {
  std::int64_t pid = 0;
  StatusCount count;
  std::vector<ServerLine> servers;

  /// "pid 4021, 23 of 24 servers running, 1 error"
  std::string to_string() const;
};

struct RunOptions {
  Paths paths;
  std::string version;
  std::string log_file;  ///< opened anew on request; empty: stderr stays what it is
  LogFormat log_format = LogFormat::text;
  std::string log_filter = "info";
  bool auto_start = true;
  std::optional<bool> health_check;  ///< these three in place of the settings
  std::optional<std::chrono::milliseconds> health_interval;
  std::optional<std::chrono::milliseconds> stats_interval;
  std::optional<std::chrono::milliseconds> drain_timeout;
  std::int64_t threads = 0;  ///< data threads of a worker; 0 = one per processor, 8 at the most
  bool access_log_to_stdout = false;
  /// Every server has had its first outcome; false: stop again, exit 1.
  std::function<bool(const Ready&)> on_ready;
  /// Words for a person in front of it ("draining, 3 connections remain").
  std::function<void(std::string_view)> on_notice;
};

/// Who runs the registry at `db`; nothing when nobody does. Waits up to a second for a holder that has just
/// taken the lock to say its name (the file may still hold that of a dead one); its pid is 0 when it does
/// not.
std::optional<RunHolder> find_running_daemon(const std::filesystem::path& db);

/// The run lock of the registry at `db`, or who holds it (as find_running_daemon). The caller's name is in
/// the file.
std::variant<LockFile, RunHolder> take_run_lock(const std::filesystem::path& db);

/// Runs the daemon until a signal ends it; returns the exit code. `lock` holds the run lock. Blocks SIGPIPE,
/// takes over TERM, INT, HUP, USR1, USR2. Throws Error when it cannot start.
int run(LockFile lock, const Catalog& catalog, RunOptions options);

}  // namespace arcus::daemon
