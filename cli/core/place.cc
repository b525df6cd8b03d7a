#include "cli/core/place.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "cli/core/globals.h"

namespace arcus::cli {

static constexpr const char* system_directory = "/var/lib/arcus";

/// Members are those whose process carries the group that owns the directory.
static bool in_group(gid_t group) {
  const int count = ::getgroups(0, nullptr);
  std::vector<gid_t> groups(static_cast<std::size_t>(std::max(count, 0)));
  if (::getgroups(count, groups.data()) < 0) return false;
  return ::getegid() == group || std::ranges::find(groups, group) != groups.end();
}

static bool uses_system_registry() {
  if (::geteuid() == 0) return true;
  struct stat info {};
  return ::stat(system_directory, &info) == 0 && S_ISDIR(info.st_mode) && info.st_gid != 0 &&
         in_group(info.st_gid);
}

std::string default_db_path() {
  if (uses_system_registry()) return std::string{system_directory} + "/arcus.db";
  std::string base{global::environment("XDG_DATA_HOME")};
  if (base.empty() || base[0] != '/') {
    std::string home{global::environment("HOME")};
    if (home.empty())
      if (const passwd* entry = ::getpwuid(::geteuid())) home = entry->pw_dir;
    base = home + "/.local/share";
  }
  return base + "/arcus/arcus.db";
}

std::string absolute_path(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal();
}

}  // namespace arcus::cli
