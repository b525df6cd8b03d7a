#include "lib/db/sqlite_error.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace arcus {

namespace {

/// What a primary result code means. `{path}: sentence`; SQLite's own words follow when `detailed`.
struct Meaning {
  int code;
  ErrorKind kind;
  std::string_view sentence;
  std::string_view hint;
  bool detailed;
};

constexpr std::array meanings{
    Meaning{SQLITE_PERM, ErrorKind::permission, "permission denied", "", false},
    Meaning{SQLITE_BUSY, ErrorKind::registry, "another writer holds the registry", "try again", false},
    Meaning{SQLITE_LOCKED, ErrorKind::registry, "another writer holds the registry", "try again", false},
    Meaning{SQLITE_NOMEM, ErrorKind::failed, "out of memory", "", false},
    Meaning{SQLITE_READONLY, ErrorKind::permission, "the registry is read-only", "", false},
    Meaning{SQLITE_INTERRUPT, ErrorKind::failed, "interrupted", "", false},
    Meaning{SQLITE_IOERR, ErrorKind::registry, "input/output error", "", true},
    Meaning{SQLITE_CORRUPT, ErrorKind::registry, "the registry is damaged", "arcusctl db restore BACKUP",
            true},
    Meaning{SQLITE_FULL, ErrorKind::registry, "disk full, nothing was changed", "", false},
    Meaning{SQLITE_CANTOPEN, ErrorKind::registry, "cannot be opened", "", true},
    Meaning{SQLITE_PROTOCOL, ErrorKind::registry, "the locks of the registry do not work here", "", true},
    Meaning{SQLITE_TOOBIG, ErrorKind::usage, "a value is too big", "", false},
    Meaning{SQLITE_NOLFS, ErrorKind::registry, "the file system has no large files", "", false},
    Meaning{SQLITE_NOTADB, ErrorKind::registry, "not an arcus registry (no SQLite file)", "", false},
};
static_assert(std::ranges::is_sorted(meanings, {}, &Meaning::code));

const Meaning* find_meaning(int primary) noexcept {
  const auto found = std::ranges::lower_bound(meanings, primary, {}, &Meaning::code);
  return found != meanings.end() && found->code == primary ? &*found : nullptr;
}

std::string_view without_prefix(std::string_view text, std::string_view prefix) {
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
  return text;
}

Error constraint_error(int code, std::string_view message) {
  switch (code) {
    case SQLITE_CONSTRAINT_CHECK:
      return {ErrorKind::usage, std::string{without_prefix(message, "CHECK constraint failed: ")}};
    case SQLITE_CONSTRAINT_NOTNULL:
      return {ErrorKind::usage,
              std::string{without_prefix(message, "NOT NULL constraint failed: ")} + ": a value is needed"};
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_UNIQUE:
      return {ErrorKind::conflict, std::string{without_prefix(message, "UNIQUE constraint failed: ")} +
                                       ": there is already such a row"};
    case SQLITE_CONSTRAINT_FOREIGNKEY:
      return {ErrorKind::conflict,
              "the row refers to another that does not exist, or others still refer to it"};
    case SQLITE_CONSTRAINT_DATATYPE:
      return {ErrorKind::usage, std::string{message}};
    default:
      return {ErrorKind::conflict, std::string{message}};  // the text of a RAISE
  }
}

}  // namespace

Error sqlite_error(const std::filesystem::path& path, int code, std::string_view message, int system_errno) {
  const int primary = code & 0xff;
  if (primary == SQLITE_CONSTRAINT) return constraint_error(code, message);
  if (primary == SQLITE_AUTH)
    return {ErrorKind::usage, "this statement is not allowed here: " + std::string{message}};
  const std::string quoted = "'" + path.string() + "'";
  if (primary == SQLITE_CANTOPEN &&
      (system_errno == EACCES || system_errno == EPERM || system_errno == EROFS))
    return {ErrorKind::permission, quoted + ": " + errno_text(system_errno)};
  if (code == SQLITE_READONLY_DBMOVED)
    return {ErrorKind::registry, quoted + ": the file was moved or replaced while it was open"};
  const bool no_space = primary == SQLITE_IOERR && (system_errno == ENOSPC || system_errno == EDQUOT);
  const Meaning* meaning = find_meaning(no_space ? SQLITE_FULL : primary);
  // What is left is SQLite's judgement of a statement: an unknown column, a syntax error.
  if (meaning == nullptr)
    return {primary == SQLITE_ERROR ? ErrorKind::usage : ErrorKind::failed, std::string{message}};
  std::string sentence = quoted + ": " + std::string{meaning->sentence};
  if (meaning->detailed)
    sentence += ": " + (system_errno != 0 ? errno_text(system_errno) : std::string{message});
  Error error{meaning->kind, sentence};
  if (!meaning->hint.empty()) return std::move(error).with_hint(std::string{meaning->hint});
  return error;
}

bool is_fatal(int code) noexcept {
  const int primary = code & 0xff;
  return primary == SQLITE_IOERR || primary == SQLITE_FULL || primary == SQLITE_CORRUPT ||
         primary == SQLITE_NOTADB;
}

}  // namespace arcus
