#include "lib/db/backup.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/db/file_rules.h"
#include "lib/db/sqlite_error.h"
#include "lib/db/transaction.h"

namespace arcus {

namespace fs = std::filesystem;

namespace {

constexpr int pages_per_step = 100;

/// A plain connection to a copy that nobody else has open.
class Copy {
 public:
  Copy(fs::path path, sqlite3* original) : path_(std::move(path)) {
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    sqlite3_vfs* vfs = nullptr;
    sqlite3_file_control(original, "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
    const int code = sqlite3_open_v2(path_.c_str(), &handle_, flags, vfs == nullptr ? nullptr : vfs->zName);
    if (code != SQLITE_OK) fail(code);
  }
  ~Copy() { sqlite3_close_v2(handle_); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  sqlite3* handle() const noexcept { return handle_; }

  [[noreturn]] void fail(int code) const {
    throw sqlite_error(path_, code, handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_));
  }

  /// The first word integrity_check says.
  std::string verdict() const {
    sqlite3_stmt* statement = nullptr;
    if (const int code = sqlite3_prepare_v2(handle_, "PRAGMA integrity_check(1)", -1, &statement, nullptr);
        code != SQLITE_OK)
      fail(code);
    std::string text = "no answer";
    const int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) text = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    if (code != SQLITE_ROW) fail(code);
    return text;
  }

 private:
  fs::path path_;
  sqlite3* handle_ = nullptr;
};

/// A file in the target's directory that is removed unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const fs::path& target) {
    name_ = target.string() + ".XXXXXX";
    fd_.reset(::mkostemp(name_.data(), O_CLOEXEC));
    if (!fd_) throw system_error("cannot create a file beside '" + target.string() + "'", errno);
  }
  ~TemporaryFile() {
    if (name_.empty()) return;
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) ::unlink((name_ + suffix).c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& name() const noexcept { return name_; }

  /// On disk under its final name when this returns.
  void publish(const fs::path& target, bool force) {
    if (::fsync(fd_.get()) != 0) throw system_error("cannot sync '" + name_ + "'", errno);
    const int renamed =
        force ? ::rename(name_.c_str(), target.c_str())
              : ::renameat2(AT_FDCWD, name_.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE);
    if (renamed != 0 && errno == EEXIST)
      throw Error{ErrorKind::conflict, "'" + target.string() + "' exists"}.with_hint("--force overwrites it");
    if (renamed != 0) throw system_error("cannot rename to '" + target.string() + "'", errno);
    for (const char* suffix : {"-wal", "-shm", "-journal"}) ::unlink((name_ + suffix).c_str());
    name_.clear();
    sync_directory(target.parent_path());
  }

 private:
  std::string name_;
  UniqueFd fd_;
};

/// Copies all pages; returns their number.
int copy_pages(sqlite3* to, sqlite3* from, const fs::path& target) {
  sqlite3_backup* copying = sqlite3_backup_init(to, "main", from, "main");
  if (copying == nullptr) throw sqlite_error(target, sqlite3_extended_errcode(to), sqlite3_errmsg(to));
  int code = SQLITE_OK;
  while (code == SQLITE_OK) code = sqlite3_backup_step(copying, pages_per_step);
  const int pages = sqlite3_backup_pagecount(copying);
  sqlite3_backup_finish(copying);
  if (code != SQLITE_DONE) throw sqlite_error(target, code, sqlite3_errstr(code));
  return pages;
}

void refuse_if_exists(const fs::path& target, bool force) {
  std::error_code error;
  if (!force && fs::exists(fs::symlink_status(target, error)))
    throw Error{ErrorKind::conflict, "'" + target.string() + "' exists"}.with_hint("--force overwrites it");
}

}  // namespace

BackupResult backup(Database& db, const fs::path& where, bool force) {
  const fs::path target = resolve_directory(where);
  std::error_code error;
  if (fs::equivalent(target, db.path(), error))
    throw Error{ErrorKind::conflict, "'" + target.string() + "' is the registry itself"};
  refuse_if_exists(target, force);
  TemporaryFile file{target};
  BackupResult result;
  {
    const Copy copy{file.name(), db.handle()};
    const Snapshot snapshot{db};  // one state, however long the copying takes and whoever writes meanwhile
    db.query("SELECT count(*) FROM sqlite_schema").step();
    result.pages = copy_pages(copy.handle(), db.handle(), target);
    if (const std::string verdict = copy.verdict(); verdict != "ok")
      throw Error{ErrorKind::registry, "the copy is not sound: " + verdict};
  }
  result.bytes = static_cast<std::int64_t>(fs::file_size(file.name()));
  file.publish(target, force);
  return result;
}

static void refuse_beside_daemon(LockFile& run, const fs::path& path) {
  if (run.try_lock_run()) return;
  throw Error{ErrorKind::conflict, "a daemon runs on '" + path.string() + "'"}.with_hint(
      "arcusctl daemon stop");
}

static std::string copy_beside(const fs::path& path, std::string_view what) {
  fs::path kept = path;
  kept += ".before-" + std::string{what} + ".bak";
  Database current{path, OpenMode::read_only, {.allow_unmarked = true, .newest_schema = INT32_MAX}};
  backup(current, kept, true);
  return kept.string();
}

/// Nobody can have read a damaged or foreign file as a registry, so it is put aside whole.
static std::string put_aside(const fs::path& path) {
  const std::string kept = path.string() + ".damaged";
  if (::rename(path.c_str(), kept.c_str()) != 0)
    throw system_error("cannot rename '" + path.string() + "'", errno);
  for (const char* suffix : {"-wal", "-shm"}) {
    const std::string beside = path.string() + suffix;
    ::rename(beside.c_str(), (kept + suffix).c_str());
  }
  return kept;
}

/// Where the file went or was copied to; `copied` tells which.
static std::string keep(const fs::path& path, std::string_view what, bool& copied) {
  try {
    const std::string kept = copy_beside(path, what);
    copied = true;
    return kept;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::registry) throw;
  }
  copied = false;
  return put_aside(path);
}

std::string retire(const fs::path& where, std::string_view what) {
  const fs::path path = resolve_directory(where);
  const FileState state = check_file(path);
  if (state == FileState::missing) return {};
  LockFile run{path};
  refuse_beside_daemon(run, path);
  bool copied = false;
  std::string kept;
  if (state == FileState::present) kept = keep(path, what, copied);
  if (copied || state == FileState::empty)
    for (const char* suffix : {"", "-wal", "-shm"}) ::unlink((path.string() + suffix).c_str());
  sync_directory(path.parent_path());
  return kept;
}

RestoreResult restore(const fs::path& where, const fs::path& source, int newest_schema) {
  const fs::path path = resolve_directory(where);
  RestoreResult result;
  Database from{source, OpenMode::read_only, {.newest_schema = newest_schema}};
  result.schema_version = from.schema_version();
  if (const auto findings = check_integrity(from, CheckDepth::full); !findings.empty())
    throw Error{ErrorKind::registry, "'" + source.string() + "' is not sound"}.with_details(findings);

  create_file(path);
  LockFile run{path};
  refuse_beside_daemon(run, path);
  if (check_file(path) == FileState::present) {
    bool copied = false;
    result.previous = keep(path, "restore", copied);
    if (!copied) create_file(path);
  }
  Database to{path, OpenMode::create, {.allow_unmarked = true, .newest_schema = INT32_MAX}};
  const WriterLock lock{to.lock_file(), to.busy_timeout()};
  copy_pages(to.handle(), from.handle(), path);
  return result;
}

std::vector<std::string> check_integrity(Database& db, CheckDepth depth) {
  std::vector<std::string> findings;
  auto pages = db.query(depth == CheckDepth::full ? "PRAGMA integrity_check" : "PRAGMA quick_check");
  while (pages.step())
    if (pages.text(0) != "ok") findings.emplace_back(pages.text(0));
  auto keys = db.query("PRAGMA foreign_key_check");
  while (keys.step())
    findings.push_back("table '" + std::string{keys.text(0)} + "' row " + std::string{keys.text(1)} +
                       ": refers to a missing row of '" + std::string{keys.text(2)} + "'");
  return findings;
}

}  // namespace arcus
