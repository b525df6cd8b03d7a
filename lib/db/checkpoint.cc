#include "lib/db/checkpoint.h"

#include <sqlite3.h>

#include "lib/base/error.h"

namespace arcus {

static constexpr std::chrono::milliseconds reader_wait{50};
static constexpr std::int64_t log_bound = 1 << 20;

namespace {

/// Another busy timeout for a scope.
class BusyTimeout {
 public:
  BusyTimeout(Database& db, std::chrono::milliseconds timeout) : db_(db), before_(db.busy_timeout()) {
    db_.set_busy_timeout(timeout);
  }
  ~BusyTimeout() { db_.set_busy_timeout(before_); }
  BusyTimeout(const BusyTimeout&) = delete;
  BusyTimeout& operator=(const BusyTimeout&) = delete;

 private:
  Database& db_;
  std::chrono::milliseconds before_;
};

}  // namespace

CheckpointResult checkpoint(Database& db) {
  const WriterLock lock{db.lock_file(), db.busy_timeout()};
  const BusyTimeout patience{db, reader_wait};
  int frames = -1;
  int moved = -1;
  const int code =
      sqlite3_wal_checkpoint_v2(db.handle(), "main", SQLITE_CHECKPOINT_TRUNCATE, &frames, &moved);
  if (code != SQLITE_OK && (code & 0xff) != SQLITE_BUSY) db.fail(code);
  return {.done = code == SQLITE_OK, .log_frames = frames, .moved = moved};
}

void vacuum(Database& db) {
  const WriterLock lock{db.lock_file(), db.busy_timeout()};
  const int code = sqlite3_exec(db.handle(), "VACUUM", nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) db.fail(code);
  checkpoint(db);
}

std::int64_t wal_size(const std::filesystem::path& database) {
  std::filesystem::path log = database;
  log += "-wal";
  std::error_code error;
  const auto size = std::filesystem::file_size(log, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

void checkpoint_after_command(Database& db) {
  if (db.mode() == OpenMode::read_only || wal_size(db.path()) <= log_bound) return;
  if (db.lock_file().run_holder()) return;
  try {
    checkpoint(db);
  } catch (const Error&) {
    // The change itself is on disk and acknowledged; the log stays for the next command.
  }
}

}  // namespace arcus
