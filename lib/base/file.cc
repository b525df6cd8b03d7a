#include "lib/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"

namespace arcus {

static void write_all(int fd, std::string_view text, const std::string& path) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("cannot write '" + path + "'", errno);
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

struct Access {
  uid_t user = 0;
  gid_t group = 0;
  mode_t mode = 0600;
};

/// Of a new file beside `like`.
static Access access_like(const std::string& like) {
  struct stat facts {};
  if (::stat(like.c_str(), &facts) != 0) return {.user = ::geteuid(), .group = ::getegid()};
  return {
      .user = facts.st_uid, .group = facts.st_gid, .mode = (facts.st_mode & S_IRGRP) != 0 ? 0640U : 0600U};
}

/// Only root may give a file away; the group of our own is tried.
static void give_away(int fd, const Access& access, mode_t mode) {
  const bool is_given =
      ::fchown(fd, access.user, access.group) == 0 || ::fchown(fd, static_cast<uid_t>(-1), access.group) == 0;
  ::fchmod(fd, is_given ? mode : mode & ~static_cast<mode_t>(S_IRWXG));
}

static void sync_folder_of(const std::string& path) {
  const UniqueFd folder{
      ::open(std::filesystem::path{path}.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder) ::fsync(folder.get());
}

void write_private_file(const std::string& path, std::string_view text, bool replace,
                        const std::string& like) {
  std::string name = path + ".XXXXXX";
  const UniqueFd file{::mkostemp(name.data(), O_CLOEXEC)};  // mode 0600
  if (!file) throw system_error("cannot create a file beside '" + path + "'", errno);
  try {
    struct stat former {};
    if (replace && ::stat(path.c_str(), &former) == 0)
      give_away(file.get(), {.user = former.st_uid, .group = former.st_gid}, former.st_mode & 0770);
    else
      give_away(file.get(), access_like(like), access_like(like).mode);
    write_all(file.get(), text, path);
    if (::fsync(file.get()) != 0) throw system_error("cannot sync '" + path + "'", errno);
    const unsigned flags = replace ? 0 : RENAME_NOREPLACE;
    if (::renameat2(AT_FDCWD, name.c_str(), AT_FDCWD, path.c_str(), flags) != 0) {
      if (errno == EEXIST) throw Error{ErrorKind::conflict, "'" + path + "' exists"};
      throw system_error("cannot write '" + path + "'", errno);
    }
  } catch (const Error&) {
    ::unlink(name.c_str());
    throw;
  }
  sync_folder_of(path);
}

void make_private_folder(const std::string& path, const std::string& like) {
  if (::mkdir(path.c_str(), 0700) != 0) {
    if (errno == EEXIST) return;
    throw system_error("cannot make the folder '" + path + "'", errno);
  }
  const UniqueFd folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)};
  const Access access = access_like(like);
  if (folder) give_away(folder.get(), access, access.mode == 0640U ? 0750U : 0700U);
}

}  // namespace arcus
