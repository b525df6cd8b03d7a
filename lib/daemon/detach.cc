#include "lib/daemon/detach.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <filesystem>

#include "lib/base/error.h"

namespace arcus::daemon {

static void write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(n));
  }
}

void ReadyPipe::report(const ReadyReport& report) noexcept {
  if (!fd_) return;
  write_all(fd_.get(), std::to_string(report.exit_code) + "\n" + report.text);
  fd_.reset();
}

/// Reads until the child closes its end; an empty or damaged report means that it died.
static ReadyReport wait_for_report(int fd, pid_t child) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
  ReadyReport out;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out.exit_code);
  if (error == std::errc{} && end < text.data() + text.size() && *end == '\n') {
    out.text = text.substr(static_cast<std::size_t>(end + 1 - text.data()));
    return out;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  out.exit_code = 1;
  out.text = WIFSIGNALED(status)
                 ? "the daemon died while starting: signal " + std::to_string(WTERMSIG(status))
                 : "the daemon ended while starting: exit code " + std::to_string(WEXITSTATUS(status));
  return out;
}

UniqueFd open_log(const std::string& path) {
  std::error_code error;
  const auto folder = std::filesystem::path{path}.parent_path();
  if (!folder.empty() && std::filesystem::create_directories(folder, error))
    std::filesystem::permissions(folder, std::filesystem::perms{0750}, error);
  if (error) throw system_error("cannot make the log folder '" + folder.string() + "'", error.value());
  UniqueFd fd{::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0640)};
  if (!fd) throw system_error("cannot open the log file '" + path + "'", errno);
  return fd;
}

Detached detach(const std::string& log_file) {
  const UniqueFd log = open_log(log_file.empty() ? "/dev/null" : log_file);
  const UniqueFd null{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  std::array<int, 2> ends{};
  if (!null || ::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error("cannot detach", errno);
  UniqueFd reading{ends[0]};
  UniqueFd writing{ends[1]};

  const pid_t child = ::fork();
  if (child < 0) throw system_error("cannot detach", errno);
  if (child > 0) {
    writing.reset();
    return {.parent = wait_for_report(reading.get(), child), .child = {}};
  }
  ::setsid();
  ::dup2(null.get(), STDIN_FILENO);
  ::dup2(log.get(), STDOUT_FILENO);
  ::dup2(log.get(), STDERR_FILENO);
  return {.parent = std::nullopt, .child = ReadyPipe{std::move(writing)}};
}

}  // namespace arcus::daemon
