#include "lib/daemon/worker_process.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "lib/base/error.h"

namespace arcus::daemon {

std::string ExitStatus::to_string() const {
  return signal != 0 ? "signal " + std::to_string(signal) : "exit code " + std::to_string(code);
}

/// Runs in the child between fork and exec: system calls only.
[[noreturn]] static void become_worker(int channel, int log, const char* program, char* const* environment) {
  static char name[] = "arcusctl";
  static char command[] = "worker";
  const std::array<char*, 3> arguments{name, command, nullptr};
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = ::open("/dev/null", O_RDWR);
  if (null >= 0) {
    ::dup2(null, STDIN_FILENO);
    ::dup2(null, STDOUT_FILENO);
  }
  if (log >= 0) ::dup2(log, STDERR_FILENO);
  if (channel == 3)
    ::fcntl(3, F_SETFD, 0);
  else
    ::dup2(channel, 3);
  ::close_range(4, ~0U, 0);
  ::execve(program, arguments.data(), environment);
  ::_exit(127);
}

/// What a worker may see of our environment: nothing that changes how libraries behave.
static char* const* worker_environment() {
  static char path[] = "PATH=/usr/bin:/bin";
  static char locale[] = "LC_ALL=C.UTF-8";
  static std::array<std::string, 3> passed;
  static std::array<char*, 6> environment{};
  std::size_t count = 0;
  environment[count++] = path;
  environment[count++] = locale;
  std::size_t i = 0;
  for (const char* name : {"ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    const char* value = std::getenv(name);
    if (!value) continue;
    passed[i] = std::string{name} + "=" + value;
    environment[count++] = passed[i++].data();
  }
  environment[count] = nullptr;
  return environment.data();
}

WorkerProcess::WorkerProcess(UniqueFd channel, UniqueFd log, const std::string& program) {
  char* const* environment = worker_environment();
  pid_ = ::fork();
  if (pid_ < 0) throw system_error("cannot start a worker", errno);
  if (pid_ == 0) become_worker(channel.get(), log.get(), program.c_str(), environment);
  pidfd_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  if (!pidfd_) {
    const int error = errno;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    throw system_error("cannot watch a worker", error);
  }
}

WorkerProcess::WorkerProcess(WorkerProcess&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)}, pidfd_{std::move(other.pidfd_)} {}

WorkerProcess::~WorkerProcess() {
  if (pid_ < 0) return;
  kill(SIGKILL);
  reap();
}

void WorkerProcess::kill(int signal) const noexcept {
  if (pid_ > 0) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

ExitStatus WorkerProcess::reap() {
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  if (WIFSIGNALED(status)) return {.signal = WTERMSIG(status)};
  return {.code = WEXITSTATUS(status)};
}

}  // namespace arcus::daemon
