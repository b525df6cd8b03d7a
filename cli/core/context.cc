#include "cli/core/context.h"

#include <sys/stat.h>

#include <filesystem>

#include "cli/catalog.h"
#include "cli/core/place.h"
#include "lib/base/error.h"
#include "lib/daemon/control_client.h"
#include "lib/db/checkpoint.h"
#include "lib/db/database.h"
#include "lib/registry/catalog.h"
#include "lib/registry/mutation.h"
#include "lib/registry/observed.h"

namespace arcus::cli {

struct Context::State {
  std::string path;
  std::unique_ptr<Database> db;
};

Context::Context(const Noun& noun, const Command& command, Settings settings)
    : noun_(noun),
      command_(command),
      settings_(std::move(settings)),
      output_(settings_.output),
      state_(std::make_unique<State>()) {}

Context::~Context() = default;

const std::string& Context::db_path() {
  if (state_->path.empty())
    state_->path = absolute_path(settings_.db.empty() ? default_db_path() : settings_.db);
  return state_->path;
}

bool Context::db_exists() {
  struct stat info {};
  return ::stat(db_path().c_str(), &info) == 0;
}

/// A daemon that was killed leaves its row behind, and the views would believe it until its heartbeat is 30 s
/// old. Whoever looks first and may write takes the row away; what it said is kept as an event.
static void forget_dead_daemon(Database& reader) {
  const auto is_dead = [&] { return !find_run_holder(reader.path()).has_value(); };
  if (!is_dead() || !registry::find_daemon(reader)) return;
  try {
    Database db{reader.path(), OpenMode::read_write, {.busy_timeout = std::chrono::milliseconds{200}}};
    registry::Mutation mutation{db, {"daemon", "daemon", {}}};
    const auto row = registry::find_daemon(db);
    if (!row || !is_dead()) return;
    registry::add_event(db, "recovered", "", "daemon",
                        "pid " + std::to_string(row->pid) + " is gone, last heartbeat " + row->heartbeat_at);
    registry::remove_daemon(db);
    mutation.commit();
  } catch (const Error&) {
    return;  // one who may only look sees it when the heartbeat is old enough
  }
}

Database& Context::db() {
  if (state_->db) return *state_->db;
  const bool missing = !db_exists();
  const bool may_create = command_.more.mutating && !settings_.db_named && !settings_.dry_run;
  if (missing && !may_create) {
    const std::string hint = settings_.db_named ? "arcusctl init --db " + settings_.db : "arcusctl init";
    throw Error{ErrorKind::registry, "no registry at '" + db_path() + "'"}.about(db_path()).with_hint(hint);
  }
  const OpenMode mode = !command_.more.mutating ? OpenMode::read_only
                        : missing               ? OpenMode::create
                                                : OpenMode::read_write;
  auto db = std::make_unique<Database>(db_path(), mode);
  if (command_.more.mutating) registry::prepare_registry(*db, catalog());
  if (missing) note("made the registry " + db_path());
  forget_dead_daemon(*db);
  state_->db = std::move(db);
  return *state_->db;
}

void Context::change(const std::function<void(Database&)>& body) {
  Database& database = db();
  registry::Mutation mutation{database, {registry::login_name(), "cli", settings_.reason}};
  body(database);
  if (settings_.dry_run) return;
  mutation.commit();
  wake();
  checkpoint_after_command(database);
}

void Context::check_generation(std::int64_t actual, std::string_view object) const {
  if (!settings_.if_generation || *settings_.if_generation == actual) return;
  throw Error{ErrorKind::conflict, "'" + std::string{object} + "' has generation " + std::to_string(actual) +
                                       ", not " + std::to_string(*settings_.if_generation)}
      .about(std::string{object})
      .with_hint("somebody changed it: look again, then repeat with --if-generation " +
                 std::to_string(actual));
}

bool Context::wake() { return daemon::wake_daemon(db_path()); }

bool Context::daemon_runs() { return find_run_holder(db_path()).has_value(); }

const Catalog& Context::catalog() { return cli::catalog(); }

std::chrono::steady_clock::time_point Context::deadline(std::chrono::milliseconds fallback) const {
  return std::chrono::steady_clock::now() + settings_.timeout.value_or(fallback);
}

}  // namespace arcus::cli
