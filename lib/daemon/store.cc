#include "lib/daemon/store.h"

#include <sys/stat.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/db/backup.h"
#include "lib/db/checkpoint.h"
#include "lib/registry/catalog.h"
#include "lib/registry/mutation.h"

namespace arcus::daemon {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

static constexpr milliseconds busy_timeout{250};
static constexpr seconds log_again{60};
static constexpr seconds reopen_pause{1};
static constexpr seconds idle_checkpoint{300};
static constexpr std::int64_t page_bytes = 4096;
static constexpr std::int64_t wal_limit = 256 * page_bytes;

Store::Store(std::filesystem::path path, const Catalog& catalog) : path_{std::move(path)}, catalog_{catalog} {
  {
    Database preparing{path_, OpenMode::read_write};  // with the patience of a command
    registry::prepare_registry(preparing, catalog_);
    const auto findings = check_integrity(preparing, CheckDepth::quick);
    if (!findings.empty())
      throw Error{ErrorKind::registry,
                  "the registry '" + path_.string() + "' is damaged: " + findings.front()}
          .with_hint("arcusctl db check, then arcusctl db restore FILE");
  }
  open();
  checkpointed_at_ = steady_clock::now();
}

std::optional<Store::Identity> Store::identity_of(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return Identity{.device = info.st_dev, .inode = info.st_ino};
}

void Store::open() {
  const auto identity = identity_of(path_);
  if (!identity) throw Error{ErrorKind::registry, "the registry file '" + path_.string() + "' was removed"};
  db_ = std::make_unique<Database>(
      path_, OpenMode::read_write,
      OpenOptions{.busy_timeout = busy_timeout, .synchronous = Synchronous::normal, .require_wal = true});
  identity_ = *identity;
  data_version_ = db_->data_version();
}

Database* Store::connection() {
  const auto identity = identity_of(path_);
  const bool is_sound = db_ && !db_->is_broken() && identity == identity_;
  if (is_sound) return db_.get();
  if (!identity) {
    note_problem("the registry file '" + path_.string() + "' was removed");
    return nullptr;
  }
  if (steady_clock::now() < reopen_at_) return nullptr;
  reopen_at_ = steady_clock::now() + reopen_pause;
  try {
    db_.reset();
    open();
    reopened_ = true;
    Logger{"registry"}.warn("registry opened again", field("path", path_.string()));
    return db_.get();
  } catch (const Error& error) {
    note_problem(error.what());
    return nullptr;
  }
}

bool Store::changed() {
  Database* db = connection();
  if (!db) return false;
  try {
    const auto version = db->data_version();
    const bool is_new = version != data_version_ || reopened_;
    data_version_ = version;
    reopened_ = false;
    return is_new;
  } catch (const Error& error) {
    note_problem(error.what());
    return false;
  }
}

std::optional<registry::Desired> Store::load() {
  Database* db = connection();
  if (!db) return std::nullopt;
  try {
    return registry::load_desired(*db);
  } catch (const Error& error) {
    note_problem(error.what());
    return std::nullopt;
  }
}

bool Store::holds(const std::function<bool(Database&)>& look) {
  Database* db = connection();
  if (!db) return false;
  try {
    return look(*db);
  } catch (const Error& error) {
    note_problem(error.what());
    return false;
  }
}

bool Store::write(const std::function<void(Database&)>& body) {
  Database* db = connection();
  if (!db) return false;
  try {
    registry::Mutation mutation{*db, {.name = "daemon", .via = "daemon", .reason = {}}};
    body(*db);
    mutation.commit();
    note_success();
    return true;
  } catch (const Error& error) {
    note_problem(error.what());
    return false;
  }
}

void Store::checkpoint_if_due() {
  const auto now = steady_clock::now();
  const auto size = wal_size(path_);
  if (size <= wal_limit && (size == 0 || now - checkpointed_at_ < idle_checkpoint)) return;
  Database* db = connection();
  if (!db) return;
  try {
    const auto result = checkpoint(*db);
    if (result.done)
      checkpointed_at_ = now;
    else if (size > 2 * wal_limit)
      Logger{"registry"}.debug("checkpoint waits for a reader", field("wal_bytes", size));
  } catch (const Error& error) {
    note_problem(error.what());
  }
}

void Store::note_problem(std::string text) {
  const auto now = steady_clock::now();
  if (text != problem_ || now - logged_at_ >= log_again) {
    Logger{"registry"}.error("registry cannot be used; serving goes on", field("error", text));
    logged_at_ = now;
  }
  problem_ = std::move(text);
}

void Store::note_success() {
  if (!problem_.empty()) Logger{"registry"}.info("registry can be used again", field("path", path_.string()));
  problem_.clear();
}

}  // namespace arcus::daemon
