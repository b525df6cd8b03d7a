#include "lib/db/lock_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <thread>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/db/file_rules.h"

namespace arcus {

namespace {

constexpr off_t run_byte = 0;
constexpr off_t writer_byte = 1;
constexpr std::chrono::microseconds shortest_wait{200};
constexpr std::chrono::microseconds longest_wait{5000};

struct flock range(short type, off_t byte) noexcept {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

std::filesystem::path lock_path(const std::filesystem::path& database) {
  std::filesystem::path path = database;
  path += ".lock";
  return path;
}

/// True when the lock was free and is now ours.
bool try_lock(int fd, off_t byte, const std::filesystem::path& path) {
  struct flock lock = range(F_WRLCK, byte);
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES || errno == EINTR) return false;
  throw system_error("cannot lock '" + path.string() + "'", errno);
}

void unlock(int fd, off_t byte) noexcept {
  struct flock lock = range(F_UNLCK, byte);
  ::fcntl(fd, F_OFD_SETLK, &lock);
}

RunHolder read_holder(int fd) {
  std::array<char, 1024> buffer{};
  const ssize_t length = ::pread(fd, buffer.data(), buffer.size(), 0);
  RunHolder holder;
  if (length <= 0) return holder;
  for (const std::string& line : split({buffer.data(), static_cast<std::size_t>(length)}, '\n')) {
    const auto space = line.find(' ');
    if (space == std::string::npos) continue;
    const std::string key = line.substr(0, space);
    const std::string value = line.substr(space + 1);
    if (key == "pid") std::from_chars(value.data(), value.data() + value.size(), holder.pid);
    if (key == "boot_id") holder.boot_id = value;
    if (key == "started_at") holder.started_at = value;
    if (key == "version") holder.version = value;
  }
  return holder;
}

std::optional<RunHolder> holder_behind(int fd) {
  struct flock lock = range(F_WRLCK, run_byte);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return read_holder(fd);
}

std::string in_words(std::chrono::milliseconds time) {
  const auto count = time.count();
  return count % 1000 == 0 ? std::to_string(count / 1000) + " s" : std::to_string(count) + " ms";
}

}  // namespace

LockFile::LockFile(const std::filesystem::path& database)
    : path_(lock_path(database)), fd_(open_beside(path_, database)) {}

bool LockFile::try_lock_run() { return try_lock(fd_.get(), run_byte, path_); }

void LockFile::unlock_run() { unlock(fd_.get(), run_byte); }

void LockFile::write_holder(const RunHolder& holder) {
  const std::string text = "pid " + std::to_string(holder.pid) + "\nboot_id " + holder.boot_id +
                           "\nstarted_at " + holder.started_at + "\nversion " + holder.version + "\n";
  const bool written = ::ftruncate(fd_.get(), 0) == 0 &&
                       ::pwrite(fd_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  if (!written) throw system_error("cannot write '" + path_.string() + "'", errno);
}

std::optional<RunHolder> LockFile::run_holder() const { return holder_behind(fd_.get()); }

void LockFile::lock_writer(std::chrono::milliseconds timeout) {
  if (writer_depth_ > 0) {
    ++writer_depth_;
    return;
  }
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  auto wait = shortest_wait;
  while (!try_lock(fd_.get(), writer_byte, path_)) {
    if (std::chrono::steady_clock::now() >= deadline)
      throw Error{ErrorKind::registry,
                  "another writer holds '" + path_.stem().string() + "' (waited " + in_words(timeout) + ")"};
    std::this_thread::sleep_for(wait);
    wait = std::min(wait * 2, longest_wait);
  }
  writer_depth_ = 1;
}

void LockFile::unlock_writer() noexcept {
  if (writer_depth_ > 0 && --writer_depth_ == 0) unlock(fd_.get(), writer_byte);
}

std::optional<RunHolder> find_run_holder(const std::filesystem::path& database) {
  const auto path = lock_path(database);
  const UniqueFd fd{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC)};
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) throw system_error("cannot open '" + path.string() + "'", errno);
  return holder_behind(fd.get());
}

}  // namespace arcus
