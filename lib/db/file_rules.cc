#include "lib/db/file_rules.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"

namespace arcus {

namespace fs = std::filesystem;

static std::string quoted(const fs::path& path) { return "'" + path.string() + "'"; }

static struct stat status_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) throw system_error("cannot look at " + quoted(path), errno);
  return status;
}

/// A file system that takes no writing is as a mode that does not.
static Error open_error(const char* what, const fs::path& path, int number) {
  const std::string sentence = what + quoted(path);
  if (number == EROFS) return {ErrorKind::permission, sentence + ": " + errno_text(number)};
  if (number == ENOSPC || number == EDQUOT) return {ErrorKind::registry, sentence + ": disk full"};
  return system_error(sentence, number);
}

fs::path resolve_directory(const fs::path& path) {
  std::error_code error;
  const fs::path absolute = fs::absolute(path, error);
  if (error) return path;
  const fs::path directory = fs::canonical(absolute.parent_path(), error);
  return error ? absolute.lexically_normal() : directory / absolute.filename();
}

/// A file of another member of the group is trusted where root made the directory for that group.
static bool is_trusted_owner(const struct stat& file, const struct stat& directory) {
  const uid_t user = ::geteuid();
  if (user == 0 || file.st_uid == user || file.st_uid == 0) return true;
  return directory.st_uid == 0 && (directory.st_mode & S_IWGRP) != 0 && file.st_gid == directory.st_gid;
}

FileState check_file(const fs::path& path) {
  struct stat file {};
  if (::lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return FileState::missing;
    throw system_error("cannot open " + quoted(path), errno);
  }
  if (S_ISLNK(file.st_mode))
    throw Error{ErrorKind::permission, quoted(path) + " is a symbolic link: name the file itself"};
  if (!S_ISREG(file.st_mode)) throw Error{ErrorKind::registry, quoted(path) + " is not a regular file"};
  const struct stat directory = status_of(path.parent_path());
  if ((directory.st_mode & S_IWOTH) != 0 && (directory.st_mode & S_ISVTX) == 0)
    throw Error{ErrorKind::permission,
                "anybody may replace " + quoted(path) + ": its directory is world-writable"}
        .with_hint("chmod o-w " + path.parent_path().string());
  if (!is_trusted_owner(file, directory))
    throw Error{ErrorKind::permission,
                quoted(path) + " belongs to another user (uid " + std::to_string(file.st_uid) + ")"};
  return file.st_size == 0 ? FileState::empty : FileState::present;
}

bool is_frozen(const fs::path& path) {
  std::error_code error;
  fs::path log = path;
  fs::path index = path;
  log += "-wal";
  index += "-shm";
  if (fs::exists(index, error) || ::access(path.parent_path().c_str(), W_OK) == 0) return false;
  const auto size = fs::file_size(log, error);
  return error || size == 0;
}

static void make_directories(const fs::path& directory) {
  std::error_code error;
  if (directory.empty() || fs::exists(directory, error)) return;
  make_directories(directory.parent_path());
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    throw system_error("cannot make directory " + quoted(directory), errno);
}

void create_file(const fs::path& path) {
  make_directories(path.parent_path());
  const UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) {
    if (errno == EEXIST) return;
    throw open_error("cannot create ", path, errno);
  }
  const struct stat directory = status_of(path.parent_path());
  // A directory of a group shares its files; one of everybody (/tmp) does not.
  if ((directory.st_mode & S_IWGRP) != 0 && (directory.st_mode & S_IWOTH) == 0) {
    const bool shared = ::fchown(fd.get(), static_cast<uid_t>(-1), directory.st_gid) == 0;
    if (shared) ::fchmod(fd.get(), 0660);
  }
  sync_directory(path.parent_path());
}

void sync_directory(const fs::path& directory) {
  const UniqueFd fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd || ::fsync(fd.get()) != 0) throw system_error("cannot sync directory " + quoted(directory), errno);
}

int open_beside(const fs::path& path, const fs::path& registry) {
  constexpr int flags = O_RDWR | O_NOFOLLOW | O_CLOEXEC;
  for (;;) {
    UniqueFd fd{::open(path.c_str(), flags)};
    if (fd) return fd.release();
    if (errno != ENOENT) throw open_error("cannot open ", path, errno);
    fd.reset(::open(path.c_str(), flags | O_CREAT | O_EXCL, 0600));
    if (!fd && errno == EEXIST) continue;
    if (!fd) throw open_error("cannot create ", path, errno);
    struct stat owner {};
    if (::stat(registry.c_str(), &owner) == 0) {
      const bool root = ::geteuid() == 0;
      const bool owned = ::fchown(fd.get(), root ? owner.st_uid : static_cast<uid_t>(-1), owner.st_gid) == 0;
      if (owned) ::fchmod(fd.get(), owner.st_mode & 0666);
    }
    return fd.release();
  }
}

}  // namespace arcus
