#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace arcus::test {

/// What happens at the chosen operation.
enum class Fault {
  none,
  io_error,     ///< that operation fails once
  disk_full,    ///< that operation and every later write fails with FULL
  short_write,  ///< a write leaves half of its bytes, then fails
  power_cut,    ///< nothing reaches the disk any more
};

/// What was written to one file since its last sync.
struct PendingChange {
  std::int64_t offset = 0;
  std::string bytes;              ///< a sector or less
  std::int64_t truncate_to = -1;  ///< >= 0: a truncation instead
};

struct FileLog {
  std::string durable;  ///< what survives a power cut for certain
  std::vector<PendingChange> pending;
};

/// The one fault injector of the process, behind the VFS named vfs_name. Counts every write, sync,
/// truncation, lock and shared-memory mapping of all files opened through it.
class FaultInjector {
 public:
  static constexpr const char* vfs_name = "arcus-test";

  /// Registers the VFS at the first call.
  static FaultInjector& instance();

  /// Forgets everything; the `operation`th operation from now on (1 is the first) will have `fault`.
  void arm(Fault fault, std::int64_t operation);
  bool has_struck() const noexcept { return struck_; }
  std::int64_t operations() const noexcept { return operations_; }

  /// What a disk could hold after the power cut: for each file the durable bytes and any subset of the
  /// pending sectors, chosen by `seed` (0: none, 1: all). Written to `directory`, with the files of `from`
  /// that were never opened.
  void write_image(const std::filesystem::path& from, const std::filesystem::path& directory,
                   std::uint64_t seed) const;

  /// For the VFS: the result code of the next operation (0: go on), and what it recorded.
  int next_operation(bool writes, bool* half);
  void opened(const std::string& path);
  void wrote(const std::string& path, std::int64_t offset, std::string bytes);
  void truncated(const std::string& path, std::int64_t size);
  void synced(const std::string& path);
  void removed(const std::string& path);

 private:
  FaultInjector();

  Fault fault_ = Fault::none;
  std::int64_t strike_at_ = 0;
  std::int64_t operations_ = 0;
  bool struck_ = false;
  std::map<std::string, FileLog> files_;
};

}  // namespace arcus::test
