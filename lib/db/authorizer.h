#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus {

/// What a connection may do for a while; for lib/db only.
struct StatementRules {
  std::span<const std::string_view> names;
  std::vector<std::string> views;
  bool may_write_rows = false;
};

/// While it lives the connection prepares only statements that read. With `names` only those tables and views
/// may be named (what a view itself reads is its own business); without, any. Password hashes read as NULL.
/// Statements prepared before are not touched. One at a time for a Database.
class ReadingOnly {
 public:
  /// `names` must outlive the object.
  explicit ReadingOnly(Database& db, std::span<const std::string_view> names = {});
  ~ReadingOnly();
  ReadingOnly(const ReadingOnly&) = delete;
  ReadingOnly& operator=(const ReadingOnly&) = delete;

 private:
  Database& db_;
  StatementRules rules_;
  int longest_before_ = 0;
};

/// While it lives the connection prepares only statements that read or that change rows: no schema, no
/// PRAGMA, nothing that begins or ends a transaction.
class RowsOnly {
 public:
  explicit RowsOnly(Database& db);
  ~RowsOnly();
  RowsOnly(const RowsOnly&) = delete;
  RowsOnly& operator=(const RowsOnly&) = delete;

 private:
  Database& db_;
  StatementRules rules_;
};

}  // namespace arcus
