#include "lib/db/authorizer.h"

#include <sqlite3.h>

#include <algorithm>

#include "lib/base/error.h"

namespace arcus {

/// Longer values are not in the file; only an expression like randomblob(1e9) makes them.
static constexpr int longest_value = 16 << 20;

static int judge_read(const StatementRules& rules, std::string_view table, std::string_view column,
                      std::string_view through) {
  if (column == "password_hash" && !rules.may_write_rows) return SQLITE_IGNORE;
  // SQLite names the tables inside a view once more, without a column, when only their rows are counted.
  if (column.empty()) return SQLITE_OK;
  if (rules.names.empty() || std::ranges::find(rules.names, table) != rules.names.end()) return SQLITE_OK;
  // What a view reads was allowed when the view itself was named. (A WITH clause stands in the same place.)
  return std::ranges::find(rules.views, through) != rules.views.end() ? SQLITE_OK : SQLITE_DENY;
}

static std::string_view view_of(const char* text) { return text == nullptr ? std::string_view{} : text; }

static int judge(void* data, int action, const char* first, const char* second, const char*,
                 const char* through) {
  const auto& rules = *static_cast<const StatementRules*>(data);
  switch (action) {
    case SQLITE_SELECT:
      return SQLITE_OK;
    case SQLITE_READ:
      return judge_read(rules, view_of(first), view_of(second), view_of(through));
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
      return rules.may_write_rows ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_FUNCTION:
      return view_of(second) == "load_extension" ? SQLITE_DENY : SQLITE_OK;
    case SQLITE_RECURSIVE:
      return rules.names.empty() ? SQLITE_OK : SQLITE_DENY;
    default:
      return SQLITE_DENY;
  }
}

ReadingOnly::ReadingOnly(Database& db, std::span<const std::string_view> names)
    : db_(db), rules_{.names = names} {
  auto views = db_.query("SELECT name FROM sqlite_schema WHERE type = 'view'");
  while (views.step()) rules_.views.emplace_back(views.text(0));
  longest_before_ = sqlite3_limit(db_.handle(), SQLITE_LIMIT_LENGTH, longest_value);
  sqlite3_set_authorizer(db_.handle(), judge, &rules_);
}

RowsOnly::RowsOnly(Database& db) : db_(db), rules_{.may_write_rows = true} {
  sqlite3_set_authorizer(db_.handle(), judge, &rules_);
}

RowsOnly::~RowsOnly() { sqlite3_set_authorizer(db_.handle(), nullptr, nullptr); }

ReadingOnly::~ReadingOnly() {
  sqlite3_limit(db_.handle(), SQLITE_LIMIT_LENGTH, longest_before_);
  sqlite3_set_authorizer(db_.handle(), nullptr, nullptr);
}

}  // namespace arcus
