#include "lib/daemon/old_logs.h"

#include <sys/stat.h>

#include <array>
#include <string_view>
#include <system_error>

namespace arcus::daemon {

namespace fs = std::filesystem;

/// "access.log.1", "daemon.log-20260101.gz"; not "access.log".
static bool is_rotated(const std::string& name) {
  static constexpr std::array<std::string_view, 2> logs{"access.log", "daemon.log"};
  for (const std::string_view log : logs)
    if (name.size() > log.size() && name.starts_with(log) &&
        (name[log.size()] == '.' || name[log.size()] == '-'))
      return true;
  return false;
}

static void look(const fs::path& folder, std::time_t before, int depth, std::vector<OldLog>& out) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{folder, error}) {
    struct stat status {};
    if (::lstat(entry.path().c_str(), &status) != 0) continue;
    if (S_ISDIR(status.st_mode) && depth > 0) look(entry.path(), before, depth - 1, out);
    if (S_ISREG(status.st_mode) && status.st_mtime < before && is_rotated(entry.path().filename()))
      out.push_back({entry.path(), static_cast<std::uintmax_t>(status.st_size)});
  }
}

std::vector<OldLog> find_old_logs(const fs::path& log_dir, std::chrono::milliseconds age) {
  std::vector<OldLog> out;
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  look(log_dir, now - std::chrono::duration_cast<std::chrono::seconds>(age).count(), 1, out);
  return out;
}

std::vector<OldLog> remove_logs(const std::vector<OldLog>& logs) {
  std::vector<OldLog> gone;
  std::error_code error;
  for (const OldLog& log : logs)
    if (fs::remove(log.path, error)) gone.push_back(log);
  return gone;
}

}  // namespace arcus::daemon
