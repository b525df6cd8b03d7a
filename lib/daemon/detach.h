#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lib/base/unique_fd.h"

namespace arcus::daemon {

/// What a detached process says once: how its start went.
struct ReadyReport {
  int exit_code = 1;
  std::string text;  ///< a line for stdout when exit_code is 0 or 6, else for stderr; without a line end
};

/// The child's end of the pipe to the process that was typed. Destroyed without a report the parent learns
/// that the child died.
class ReadyPipe {
 public:
  ReadyPipe() = default;
  explicit ReadyPipe(UniqueFd fd) : fd_{std::move(fd)} {}

  explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
  /// Sends `report` and lets the parent go. A parent that is gone is ignored. Only the first call counts.
  void report(const ReadyReport& report) noexcept;

 private:
  UniqueFd fd_;
};

/// Forks a session of its own. In the child: stdin reads /dev/null, stdout and stderr append to `log_file`
/// (made with mode 0640; /dev/null when empty), all done before the parent can return; the pipe is set.
/// In the parent: waits for the report and returns it.
struct Detached {
  std::optional<ReadyReport> parent;  ///< set in the parent only
  ReadyPipe child;                    ///< set in the child only
};

/// Throws Error, in the parent only. Call it before any thread is started.
Detached detach(const std::string& log_file);

/// Opens `path` for appending lines (made with mode 0640, its directory with 0750). Throws Error.
UniqueFd open_log(const std::string& path);

}  // namespace arcus::daemon
