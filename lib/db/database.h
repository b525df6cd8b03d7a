#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/db/lock_file.h"
#include "lib/db/statement.h"

struct sqlite3;

namespace arcus {

/// Value of `PRAGMA application_id` in every registry: "ARCU".
constexpr std::int32_t registry_application_id = 0x41524355;

enum class OpenMode {
  read_only,   ///< never writes, takes no lock
  read_write,  ///< the file must be a registry
  create,      ///< as read_write; a missing or empty file (and its directory) is made. Follow with migrate()
};

enum class Synchronous {
  full,    ///< a committed change survives power loss: every command
  normal,  ///< survives the death of processes: the daemon's statistics
};

struct OpenOptions {
  std::chrono::milliseconds busy_timeout{5000};
  Synchronous synchronous = Synchronous::full;
  /// The daemon sets it: without a write-ahead log (network file systems) opening is then refused.
  bool require_wal = false;
  /// `db migrate` sets it: a file that `.dump` made (our tables, no application_id) is let in.
  bool allow_unmarked = false;
  /// The newest schema number let in; without it that of the embedded migrations.
  std::optional<int> newest_schema = {};
  /// Name of a registered SQLite VFS; empty: the default one. For tests.
  std::string vfs = {};
};

/// One connection to a registry file; used by one thread. Opening applies the whole set-up of the durability
/// contract: ownership and symbolic link rules, application_id and schema gate before anything else,
/// write-ahead log without automatic checkpoints, foreign keys, untrusted schema. Throws Error: `registry`
/// when the file is missing, foreign, newer, corrupt or locked for longer than the busy timeout; `permission`
/// when the file system says no. After an I/O error, a full disk or corruption every later call throws: make
/// a new Database.
class Database {
 public:
  Database(const std::filesystem::path& path, OpenMode mode, OpenOptions options = {});
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Prepares one statement and binds one value to each `?`.
  template <class... Values>
  Statement query(std::string_view sql, const Values&... values) {
    Statement statement = prepare(sql);
    statement.rebind(values...);
    return statement;
  }

  /// Runs one statement to its end; returns how many rows it changed. A write outside of a Transaction gets
  /// its own.
  template <class... Values>
  std::int64_t exec(std::string_view sql, const Values&... values) {
    Statement statement = query(sql, values...);
    return run(statement);
  }

  /// Runs several statements without values, as a schema file holds them.
  void script(std::string_view sql);

  /// Changes when another connection committed; never by our own writes. Costs some microseconds.
  std::int64_t data_version();

  /// Schema number of the file; 0 for one that was just created.
  int schema_version();

  bool in_transaction() const noexcept;
  void set_busy_timeout(std::chrono::milliseconds timeout);
  void set_synchronous(Synchronous synchronous);

  const std::filesystem::path& path() const noexcept { return path_; }
  OpenMode mode() const noexcept { return mode_; }
  std::chrono::milliseconds busy_timeout() const noexcept { return options_.busy_timeout; }
  bool has_wal() const noexcept { return has_wal_; }
  /// True after an error that SQLite cannot recover from on this connection.
  bool is_broken() const noexcept { return broken_; }

  /// The lock file beside the registry; absent on read-only connections.
  LockFile& lock_file();

  /// For lib/db only: the SQLite connection, what a result code on it means, and the same thrown.
  sqlite3* handle() const noexcept { return handle_; }
  Error error_for(int code);
  [[noreturn]] void fail(int code);

 private:
  friend class Statement;
  friend class Transaction;

  Statement prepare(std::string_view sql, std::string_view* rest = nullptr);
  void check_usable() const;
  std::int64_t run(Statement& statement);
  void open();
  void set_up();
  void check_identity();
  void set_journal_mode();
  bool has_objects();
  void check_structure();
  std::int64_t pragma_value(std::string_view sql);

  std::filesystem::path path_;
  OpenMode mode_;
  OpenOptions options_;
  sqlite3* handle_ = nullptr;
  std::optional<LockFile> lock_file_;
  std::optional<Statement> data_version_;
  int transaction_depth_ = 0;
  bool has_wal_ = false;
  bool broken_ = false;
};

}  // namespace arcus
