#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "lib/base/unique_fd.h"

namespace arcus {

/// What a daemon writes into `<db>.lock` after it took the run lock. Empty fields are unknown.
struct RunHolder {
  int pid = 0;
  std::string boot_id;
  std::string started_at;
  std::string version;
};

/// `<db>.lock`, shared by all processes that use one registry. Byte 0 is held by the daemon for its life and
/// is the only truth about "is a daemon running"; byte 1 is the writer lock, held from BEGIN IMMEDIATE to
/// COMMIT and around checkpoints. Locks are OFD locks: each LockFile excludes every other, in this process
/// too, and death frees them.
class LockFile {
 public:
  /// Opens or creates the file; refuses a symbolic link. Throws Error (permission).
  explicit LockFile(const std::filesystem::path& database);

  /// Takes the run lock; false when somebody holds it. Then `write_holder`.
  bool try_lock_run();
  void unlock_run();
  /// Replaces the file's content.
  void write_holder(const RunHolder& holder);
  /// The holder of the run lock when another LockFile has it (of unknown name when it did not say so yet).
  std::optional<RunHolder> run_holder() const;

  /// Waits at most `timeout`; throws Error (registry, "another writer ...") when it passes.
  /// Counts: each lock needs its unlock.
  void lock_writer(std::chrono::milliseconds timeout);
  void unlock_writer() noexcept;
  bool has_writer_lock() const noexcept { return writer_depth_ > 0; }

  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
  int writer_depth_ = 0;
};

/// The writer lock for a scope.
class WriterLock {
 public:
  WriterLock(LockFile& file, std::chrono::milliseconds timeout) : file_(file) { file_.lock_writer(timeout); }
  ~WriterLock() { file_.unlock_writer(); }
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

 private:
  LockFile& file_;
};

/// Who runs the registry at `database`, without creating a lock file.
std::optional<RunHolder> find_run_holder(const std::filesystem::path& database);

}  // namespace arcus
