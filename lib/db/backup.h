#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus {

struct BackupResult {
  std::int64_t bytes = 0;
  std::int64_t pages = 0;
};

/// Copies the registry to `target` while everything runs: one consistent state, checked, on disk, mode 0600,
/// then renamed into place. Throws Error: conflict when `target` exists and `force` is false; registry when
/// the copy is not sound; failed or permission when the file system says no.
BackupResult backup(Database& db, const std::filesystem::path& target, bool force = false);

struct RestoreResult {
  int schema_version = 0;
  std::string previous;  ///< where the replaced registry was kept; empty when there was none
};

/// Replaces the content of the registry at `path` by that of the backup `source`; what was there is kept
/// beside it as
/// `<db>.before-restore.bak`. Throws Error: conflict while a daemon runs; registry when `source` is no sound
/// registry or of a newer schema than `newest_schema`.
RestoreResult restore(const std::filesystem::path& path, const std::filesystem::path& source,
                      int newest_schema);

/// Takes the file at `path` out of the way, whatever it is: a registry is copied to `<db>.before-<what>.bak`
/// and removed, anything else renamed to `<db>.damaged`. Returns where it is kept, "" when there was nothing.
/// Throws Error: conflict while a daemon runs.
std::string retire(const std::filesystem::path& path, std::string_view what);

/// How thorough check_integrity is.
enum class CheckDepth { quick, full };

/// Findings of quick_check or integrity_check and of foreign_key_check, one line each; empty when sound.
std::vector<std::string> check_integrity(Database& db, CheckDepth depth);

}  // namespace arcus
