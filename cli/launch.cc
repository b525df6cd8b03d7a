#include "cli/launch.h"

#include <unistd.h>

#include <chrono>

#include "lib/base/error.h"
#include "lib/daemon/detach.h"
#include "lib/db/database.h"
#include "lib/registry/catalog.h"

namespace arcus::cli {

daemon::Paths daemon_paths(Context& context) { return daemon::paths_for(context.db_path()); }

daemon::RunOptions default_run_options(Context& context) {
  daemon::RunOptions options;
  options.paths = daemon_paths(context);
  options.version = ARCUS_VERSION;
  if (!context.settings().log_level.empty())
    options.log_filter = context.settings().log_level;
  else if (context.settings().verbose > 0)
    options.log_filter = "debug";
  return options;
}

void close_inherited() noexcept { ::close_range(STDERR_FILENO + 1, ~0U, 0); }

void ensure_registry(Context& context) {
  if (context.db_exists()) return;
  if (context.settings().db_named) {
    context.db();  // says so
    return;
  }
  Database db{context.db_path(), OpenMode::create};
  registry::prepare_registry(db, context.catalog());
  context.note("made the registry " + context.db_path());
}

static std::string already_running(const RunHolder& holder) {
  return "already running, pid " + (holder.pid == 0 ? std::string{"unknown"} : std::to_string(holder.pid));
}

/// In the detached process: runs the daemon; its parent waits for a word on `pipe`.
static int run_detached(Context& context, daemon::RunOptions options, bool strict, daemon::ReadyPipe pipe) {
  try {
    auto lock = daemon::take_run_lock(options.paths.db);
    if (const auto* holder = std::get_if<RunHolder>(&lock)) {
      pipe.report({exit_code::ok, already_running(*holder)});
      return exit_code::ok;
    }
    options.on_ready = [&pipe, strict](const daemon::Ready& ready) {
      const bool failed = ready.count.error > 0;
      const int code = !failed ? exit_code::ok : strict ? exit_code::failed : exit_code::partial;
      std::string text = ready.to_string();
      for (const auto& server : ready.servers)
        if (server.status == "error") text += "\n" + server.reference + ": " + server.error;
      pipe.report({code, text});
      return !(failed && strict);
    };
    return daemon::run(std::get<LockFile>(std::move(lock)), context.catalog(), std::move(options));
  } catch (const Error& error) {
    pipe.report({error.exit_code(), std::string{error.what()} + "\n" + error.hint()});
    return error.exit_code();
  }
}

int start_detached(Context& context, daemon::RunOptions options, bool strict) {
  ensure_registry(context);
  if (const auto holder = daemon::find_running_daemon(options.paths.db)) {
    context.out().line(already_running(*holder));
    return exit_code::ok;
  }
  if (options.log_file.empty()) options.log_file = options.paths.daemon_log();
  auto detached = daemon::detach(options.log_file);
  if (!detached.parent) return run_detached(context, std::move(options), strict, std::move(detached.child));
  const auto& report = *detached.parent;
  const auto first_end = report.text.find('\n');
  const std::string rest = first_end == std::string::npos ? "" : report.text.substr(first_end + 1);
  if (report.exit_code == exit_code::ok || report.exit_code == exit_code::partial ||
      (strict && report.text.starts_with("pid "))) {
    context.out().line(report.text.substr(0, first_end));
    if (!rest.empty()) context.warn(rest);
    return report.exit_code;
  }
  throw Error{static_cast<ErrorKind>(report.exit_code), report.text.substr(0, first_end)}.with_hint(
      rest.empty() ? "see " + options.log_file : rest);
}

}  // namespace arcus::cli
