#include "lib/db/database.h"

#include <sqlite3.h>

#include "lib/base/text.h"
#include "lib/db/file_rules.h"
#include "lib/db/migrate.h"
#include "lib/db/sqlite_error.h"
#include "lib/db/transaction.h"

namespace arcus {

Database::Database(const std::filesystem::path& path, OpenMode mode, OpenOptions options)
    : path_(resolve_directory(path)), mode_(mode), options_(std::move(options)) {
  try {
    open();
    set_up();
  } catch (...) {
    sqlite3_close_v2(handle_);
    throw;
  }
}

Database::~Database() {
  data_version_.reset();
  sqlite3_close_v2(handle_);
}

static Error missing_registry(const std::filesystem::path& path, std::string_view what) {
  return Error{ErrorKind::registry, "no registry at '" + path.string() + "'" + std::string{what}}.with_hint(
      "arcusctl init --db " + path.string());
}

void Database::open() {
  FileState state = check_file(path_);
  if (state == FileState::missing) {
    if (mode_ != OpenMode::create) throw missing_registry(path_, "");
    create_file(path_);
    state = check_file(path_);
  }
  if (state == FileState::empty && mode_ != OpenMode::create)
    throw missing_registry(path_, ": the file is empty");
  if (mode_ != OpenMode::read_only) lock_file_.emplace(path_);

  const int access = mode_ == OpenMode::read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  const int flags =
      access | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_URI;
  const bool frozen = mode_ == OpenMode::read_only && is_frozen(path_);
  const std::string uri = "file:" + percent_encode(path_.string(), "/") + (frozen ? "?immutable=1" : "");
  const char* vfs = options_.vfs.empty() ? nullptr : options_.vfs.c_str();
  if (const int code = sqlite3_open_v2(uri.c_str(), &handle_, flags, vfs); code != SQLITE_OK) fail(code);
  // SQLite falls back to reading when the file may not be written.
  if (mode_ != OpenMode::read_only && sqlite3_db_readonly(handle_, "main") == 1)
    throw Error{ErrorKind::permission, "'" + path_.string() + "' is read-only for this user"};
}

void Database::set_up() {
  sqlite3_busy_timeout(handle_, static_cast<int>(options_.busy_timeout.count()));
  // Nothing but checkpoint() may move the log: see checkpoint.h.
  sqlite3_wal_autocheckpoint(handle_, 0);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // trusted_schema stays on: SQLite 3.40 calls its own JSON functions unsafe otherwise, and our CHECKs use
  // them. It guards against functions with side effects; this program registers none.
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
  sqlite3_db_config(handle_, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
  int keep_log = 1;  // without it a user who may only read cannot open a quiet file
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_PERSIST_WAL, &keep_log);
  check_identity();
  script("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA journal_size_limit = 16777216");
  set_synchronous(options_.synchronous);
  set_journal_mode();
}

bool Database::has_objects() { return pragma_value("SELECT count(*) FROM sqlite_schema") > 0; }

/// A file written by `.dump | sqlite3 new.db` has our tables but lost its application_id and user_version.
static bool is_unmarked_registry(Database& db) {
  auto tables =
      db.query("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('setting', 'tenant')");
  if (!tables.step() || tables.integer(0) != 2) return false;
  auto number = db.query("SELECT value FROM setting WHERE key = 'schema_version'");
  return number.step();
}

void Database::check_identity() {
  const Snapshot one_state{*this};  // another command may be making the file this very moment
  const std::string quoted = "'" + path_.string() + "'";
  const std::int64_t mark = pragma_value("PRAGMA application_id");
  if (mark != registry_application_id) {
    const bool fresh = mark == 0 && !has_objects();
    if (fresh && mode_ == OpenMode::create) return;
    if (fresh) throw missing_registry(path_, ": the file is empty");
    if (mark != 0 || !is_unmarked_registry(*this))
      throw Error{ErrorKind::registry, quoted + " is not an arcus registry: it belongs to another program"};
    if (!options_.allow_unmarked)
      throw Error{ErrorKind::registry, quoted + " is a registry that lost its mark (made from a dump)"}
          .with_hint("arcusctl db migrate --db " + path_.string());
  }
  const int newest = options_.newest_schema ? *options_.newest_schema : Schema{}.version();
  const int found = schema_version();
  if (found > newest)
    throw Error{ErrorKind::registry, quoted + " was made by a newer arcusctl: schema " +
                                         std::to_string(found) + ", this one knows " +
                                         std::to_string(newest)};
  check_structure();
}

/// The first page of every table: a cheap look at every start. Whoever wants to know more calls
/// check_integrity().
void Database::check_structure() {
  auto tables = query("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0");
  while (tables.step()) {
    auto first = prepare("SELECT 1 FROM " + quote_name(tables.text(0)) + " NOT INDEXED LIMIT 1");
    first.step();
  }
}

void Database::set_journal_mode() {
  auto current = prepare("PRAGMA journal_mode");
  if (current.step()) has_wal_ = current.text(0) == "wal";
  if (!has_wal_ && lock_file_) {
    // Two that make a new file would meet here, and SQLite does not wait.
    const WriterLock lock{*lock_file_, options_.busy_timeout};
    current = prepare("PRAGMA journal_mode = WAL");
    has_wal_ = current.step() && current.text(0) == "wal";
  }
  if (!has_wal_ && options_.require_wal)
    throw Error{ErrorKind::registry,
                "'" + path_.string() + "': no write-ahead log on this file system (is it a network one?)"};
}

int Database::schema_version() {
  const Snapshot one_state{*this};
  const std::int64_t number = pragma_value("PRAGMA user_version");
  if (number != 0 || pragma_value("PRAGMA application_id") == registry_application_id || !has_objects())
    return static_cast<int>(number);
  return static_cast<int>(
      pragma_value("SELECT CAST(value AS INTEGER) FROM setting WHERE key = 'schema_version'"));
}

std::int64_t Database::pragma_value(std::string_view sql) {
  auto statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

std::int64_t Database::data_version() {
  if (!data_version_) data_version_ = prepare("PRAGMA data_version");
  data_version_->rebind();
  const std::int64_t version = data_version_->step() ? data_version_->integer(0) : 0;
  sqlite3_reset(data_version_->handle_);
  return version;
}

Statement Database::prepare(std::string_view sql, std::string_view* rest) {
  check_usable();
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  const int code =
      sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()), 0, &statement, &tail);
  if (code != SQLITE_OK) fail(code);
  const std::string_view left = sql.substr(static_cast<std::size_t>(tail - sql.data()));
  if (rest != nullptr) {
    *rest = left;
    return Statement{*this, statement};
  }
  Statement result{*this, statement};
  if (statement == nullptr) throw Error{ErrorKind::usage, "there is no SQL statement"};
  // Comments and blanks after the statement are no second one.
  sqlite3_stmt* second = nullptr;
  const int second_code =
      sqlite3_prepare_v3(handle_, left.data(), static_cast<int>(left.size()), 0, &second, nullptr);
  const bool has_second = second != nullptr || second_code != SQLITE_OK;
  sqlite3_finalize(second);
  if (has_second) throw Error{ErrorKind::usage, "one SQL statement at a time"};
  return result;
}

void Database::script(std::string_view sql) {
  std::string_view rest = sql;
  while (!rest.empty()) {
    Statement statement = prepare(rest, &rest);
    if (statement.handle_ == nullptr) continue;  // only blanks and comments were left
    run(statement);
  }
}

std::int64_t Database::run(Statement& statement) {
  if (statement.needs_transaction() && !in_transaction()) {
    Transaction transaction{*this};
    const std::int64_t changed = run(statement);
    transaction.commit();
    return changed;
  }
  const sqlite3_int64 before = sqlite3_total_changes64(handle_);
  while (statement.step()) {
  }
  const bool wrote = !statement.is_read_only() && sqlite3_total_changes64(handle_) != before;
  return wrote ? sqlite3_changes64(handle_) : 0;
}

bool Database::in_transaction() const noexcept { return sqlite3_get_autocommit(handle_) == 0; }

void Database::set_busy_timeout(std::chrono::milliseconds timeout) {
  options_.busy_timeout = timeout;
  sqlite3_busy_timeout(handle_, static_cast<int>(timeout.count()));
}

void Database::set_synchronous(Synchronous synchronous) {
  options_.synchronous = synchronous;
  script(synchronous == Synchronous::full ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
}

LockFile& Database::lock_file() {
  if (!lock_file_) throw Error{ErrorKind::failed, "a connection for reading has no lock file"};
  return *lock_file_;
}

void Database::check_usable() const {
  if (broken_)
    throw Error{ErrorKind::registry, "'" + path_.string() + "': closed after an error of the storage"};
}

Error Database::error_for(int code) {
  if (is_fatal(code)) broken_ = true;
  const int system_errno = handle_ == nullptr ? 0 : sqlite3_system_errno(handle_);
  return sqlite_error(path_, code, handle_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(handle_),
                      system_errno);
}

void Database::fail(int code) { throw error_for(code); }

}  // namespace arcus
