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

static void sync_folder_of(const std::string& path) {
  const UniqueFd folder{
      ::open(std::filesystem::path{path}.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder) ::fsync(folder.get());
}

void write_private_file(const std::string& path, std::string_view text, bool replace) {
  std::string name = path + ".XXXXXX";
  const UniqueFd file{::mkostemp(name.data(), O_CLOEXEC)};  // mode 0600
  if (!file) throw system_error("cannot create a file beside '" + path + "'", errno);
  try {
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

}  // namespace arcus
