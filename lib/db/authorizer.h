#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus {

/// While it lives the connection prepares only statements that read. With `names` only those tables and views
/// may be named (what a view itself reads is its own business); without, any. Password hashes read as NULL.
/// Statements prepared before are not touched. One at a time for a Database.
class ReadingOnly {
 public:
  struct Rules {
    std::span<const std::string_view> names;
    std::vector<std::string> views;
  };

  /// `names` must outlive the object.
  explicit ReadingOnly(Database& db, std::span<const std::string_view> names = {});
  ~ReadingOnly();
  ReadingOnly(const ReadingOnly&) = delete;
  ReadingOnly& operator=(const ReadingOnly&) = delete;

 private:
  Database& db_;
  Rules rules_;
};

}  // namespace arcus
