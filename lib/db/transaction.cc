#include "lib/db/transaction.h"

#include <sqlite3.h>

#include <string>

namespace arcus {

static void run_or_fail(Database& db, const std::string& sql) {
  const int code = sqlite3_exec(db.handle(), sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) db.fail(code);
}

/// A write whose RETURNING rows were not all read has done its work, but would keep the transaction from
/// ending.
static void finish_writes(sqlite3* handle) noexcept {
  for (sqlite3_stmt* one = sqlite3_next_stmt(handle, nullptr); one != nullptr;
       one = sqlite3_next_stmt(handle, one))
    if (sqlite3_stmt_busy(one) != 0 && sqlite3_stmt_readonly(one) == 0) sqlite3_reset(one);
}

static std::string savepoint(int depth) { return "arcus_" + std::to_string(depth); }

Transaction::Transaction(Database& db) : db_(db), depth_(db.transaction_depth_) {
  db_.check_usable();
  if (depth_ > 0) {
    run_or_fail(db_, "SAVEPOINT " + savepoint(depth_));
  } else {
    LockFile& lock = db_.lock_file();
    lock.lock_writer(db_.busy_timeout());
    try {
      run_or_fail(db_, "BEGIN IMMEDIATE");
    } catch (...) {
      lock.unlock_writer();
      throw;
    }
  }
  ++db_.transaction_depth_;
}

Transaction::~Transaction() {
  if (!open_) return;
  // SQLite ends a transaction by itself after some errors; then there is nothing to roll back.
  if (db_.in_transaction()) {
    const std::string name = savepoint(depth_);
    const std::string sql = depth_ > 0 ? "ROLLBACK TO " + name + "; RELEASE " + name : "ROLLBACK";
    sqlite3_exec(db_.handle(), sql.c_str(), nullptr, nullptr, nullptr);
  }
  finish();
}

void Transaction::commit() {
  finish_writes(db_.handle());
  run_or_fail(db_, depth_ > 0 ? "RELEASE " + savepoint(depth_) : "COMMIT");
  finish();
}

void Transaction::finish() noexcept {
  open_ = false;
  --db_.transaction_depth_;
  if (depth_ == 0) db_.lock_file_->unlock_writer();
}

Snapshot::Snapshot(Database& db) : db_(db) {
  if (db_.in_transaction()) return;  // a transaction is a snapshot already
  run_or_fail(db_, "BEGIN");
  open_ = true;
}

Snapshot::~Snapshot() {
  if (open_ && db_.in_transaction()) sqlite3_exec(db_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
}

}  // namespace arcus
