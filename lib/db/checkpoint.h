#pragma once

#include <cstdint>
#include <filesystem>

#include "lib/db/database.h"

namespace arcus {

struct CheckpointResult {
  bool done = false;            ///< the whole log went into the file and was cut to zero
  std::int64_t log_frames = 0;  ///< pages in the log before (-1: no log)
  std::int64_t moved = 0;       ///< pages moved
};

/// Moves the write-ahead log into the file and truncates it, under the writer lock, waiting at most 50 ms for
/// readers. Not done is no error: a reader or a foreign writer was busy. Nothing else ever checkpoints:
/// SQLite before 3.51.3 can corrupt a file when a checkpoint runs beside a commit that restarts the log.
CheckpointResult checkpoint(Database& db);

/// Rewrites the file without its free pages, under the writer lock, then checkpoints.
void vacuum(Database& db);

/// Size of the write-ahead log in bytes; 0 when there is none.
std::int64_t wal_size(const std::filesystem::path& database);

/// What a command does at its end: a checkpoint when no daemon runs and the log exceeds 1 MiB. Never throws
/// for what the checkpoint meets.
void checkpoint_after_command(Database& db);

}  // namespace arcus
