#pragma once

#include <sys/types.h>

#include <string>

#include "lib/base/unique_fd.h"

namespace arcus::daemon {

/// How a process ended.
struct ExitStatus {
  int signal = 0;  ///< 0: it exited by itself
  int code = 0;

  bool is_clean() const noexcept { return signal == 0 && code == 0; }
  /// "signal 11" or "exit code 3".
  std::string to_string() const;
};

/// One run of `arcusctl worker`: this program again, with the channel as descriptor 3 and nothing else open
/// but stderr. The destructor kills and reaps it.
class WorkerProcess {
 public:
  /// Starts it; `channel` is closed here afterwards. `program` replaces /proc/self/exe in tests.
  /// Throws Error when no process can be made.
  /// `log` becomes its stderr; without one it keeps ours.
  explicit WorkerProcess(UniqueFd channel, UniqueFd log = {}, const std::string& program = "/proc/self/exe");
  WorkerProcess(WorkerProcess&& other) noexcept;
  WorkerProcess& operator=(WorkerProcess&& other) = delete;
  ~WorkerProcess();

  pid_t pid() const noexcept { return pid_; }
  /// Becomes readable when the process ended.
  int pidfd() const noexcept { return pidfd_.get(); }
  void kill(int signal) const noexcept;
  /// Waits for the end and reaps it; call it when pidfd() is readable.
  ExitStatus reap();

 private:
  pid_t pid_ = -1;  ///< -1 after it was reaped
  UniqueFd pidfd_;
};

}  // namespace arcus::daemon
