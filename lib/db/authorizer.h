#pragma once

#include <span>
#include <string_view>

#include "lib/db/database.h"

namespace arcus {

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
  std::span<const std::string_view> names_;
};

}  // namespace arcus
