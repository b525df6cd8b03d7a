#include "lib/db/authorizer.h"

#include <sqlite3.h>

#include <algorithm>

#include "lib/base/error.h"

namespace arcus {

static int judge_read(std::span<const std::string_view> names, std::string_view table,
                      std::string_view column, bool through_view) {
  if (column == "password_hash") return SQLITE_IGNORE;
  // What a view reads was allowed when the view itself was named.
  if (names.empty() || through_view || std::ranges::find(names, table) != names.end()) return SQLITE_OK;
  return SQLITE_DENY;
}

static int judge(void* data, int action, const char* first, const char* second, const char*,
                 const char* through) {
  const auto names = *static_cast<const std::span<const std::string_view>*>(data);
  switch (action) {
    case SQLITE_SELECT:
      return SQLITE_OK;
    case SQLITE_READ:
      return judge_read(names, first == nullptr ? "" : first, second == nullptr ? "" : second,
                        through != nullptr);
    case SQLITE_FUNCTION:
      return second != nullptr && std::string_view{second} == "load_extension" ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_RECURSIVE:
      return names.empty() ? SQLITE_OK : SQLITE_DENY;
    default:
      return SQLITE_DENY;
  }
}

ReadingOnly::ReadingOnly(Database& db, std::span<const std::string_view> names) : db_(db), names_(names) {
  sqlite3_set_authorizer(db_.handle(), judge, &names_);
}

ReadingOnly::~ReadingOnly() { sqlite3_set_authorizer(db_.handle(), nullptr, nullptr); }

}  // namespace arcus
