#include "lib/db/statement.h"

#include <sqlite3.h>

#include "lib/base/error.h"
#include "lib/db/database.h"

namespace arcus {

std::string quote_name(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    if (c == '"') quoted += c;
    quoted += c;
  }
  return quoted + "\"";
}

Statement::Statement(Statement&& other) noexcept
    : db_(other.db_), handle_(std::exchange(other.handle_, nullptr)) {}

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this == &other) return *this;
  sqlite3_finalize(handle_);
  db_ = other.db_;
  handle_ = std::exchange(other.handle_, nullptr);
  return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

bool Statement::step() {
  db_->check_usable();
  if (needs_transaction() && !db_->in_transaction())
    throw Error{ErrorKind::failed, "a statement that writes was stepped outside of a transaction"};
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    sqlite3_reset(handle_);
    return false;
  }
  // The message is lost by the reset, and a statement that stays busy would keep a transaction from ending.
  const Error error = db_->error_for(code);
  sqlite3_reset(handle_);
  throw error;
}

void Statement::restart(std::size_t value_count) {
  db_->check_usable();
  const int wanted = sqlite3_bind_parameter_count(handle_);
  if (wanted != static_cast<int>(value_count))
    throw Error{ErrorKind::failed, "statement takes " + std::to_string(wanted) + " values, got " +
                                       std::to_string(value_count) + ": " + sqlite3_sql(handle_)};
  sqlite3_reset(handle_);
}

void Statement::bind_null(int position) {
  if (const int code = sqlite3_bind_null(handle_, position); code != SQLITE_OK) db_->fail(code);
}

void Statement::bind_integer(int position, std::int64_t value) {
  if (const int code = sqlite3_bind_int64(handle_, position, value); code != SQLITE_OK) db_->fail(code);
}

void Statement::bind_real(int position, double value) {
  if (const int code = sqlite3_bind_double(handle_, position, value); code != SQLITE_OK) db_->fail(code);
}

void Statement::bind_text(int position, std::string_view value) {
  const char* bytes = value.data() == nullptr ? "" : value.data();  // a null pointer would bind NULL
  const int code = sqlite3_bind_text64(handle_, position, bytes, value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  if (code != SQLITE_OK) db_->fail(code);
}

int Statement::column_count() const noexcept { return sqlite3_column_count(handle_); }

std::string_view Statement::name(int index) const {
  const char* found = sqlite3_column_name(handle_, index);
  return found == nullptr ? std::string_view{} : std::string_view{found};
}

ColumnType Statement::type(int index) const {
  switch (sqlite3_column_type(handle_, index)) {
    case SQLITE_INTEGER:
      return ColumnType::integer;
    case SQLITE_FLOAT:
      return ColumnType::real;
    case SQLITE_TEXT:
      return ColumnType::text;
    case SQLITE_BLOB:
      return ColumnType::blob;
    default:
      return ColumnType::null;
  }
}

std::int64_t Statement::integer(int index) const { return sqlite3_column_int64(handle_, index); }

double Statement::real(int index) const { return sqlite3_column_double(handle_, index); }

std::string_view Statement::text(int index) const {
  const unsigned char* bytes = sqlite3_column_text(handle_, index);
  if (bytes == nullptr) return {};
  return {reinterpret_cast<const char*>(bytes),
          static_cast<std::size_t>(sqlite3_column_bytes(handle_, index))};
}

std::string_view Statement::text(std::string_view column_name) const {
  for (int index = 0; index < column_count(); ++index)
    if (name(index) == column_name) return text(index);
  throw Error{ErrorKind::failed, "no column '" + std::string{column_name} + "' in: " + sqlite3_sql(handle_)};
}

bool Statement::is_read_only() const noexcept { return sqlite3_stmt_readonly(handle_) != 0; }

/// SQLite counts every PRAGMA that may touch the file as writing, also `PRAGMA journal_mode`, which only
/// tells.
bool Statement::needs_transaction() const noexcept {
  if (is_read_only() || sqlite3_stmt_isexplain(handle_) != 0) return false;
  return sqlite3_strnicmp(sqlite3_sql(handle_), "PRAGMA", 6) != 0;
}

}  // namespace arcus
