#pragma once

#include <asio/io_context.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "lib/base/log.h"
#include "lib/base/unique_fd.h"

namespace arcus::daemon {

/// One line of a worker's log, taken apart. A line in no known form is an event of level error: words of the
/// C++ library or a sanitizer.
struct WorkerLine {
  LogLevel level = LogLevel::error;
  std::string module = "worker";
  std::string event;
  std::string fields;
};
WorkerLine parse_worker_line(std::string_view line);

/// A worker's stderr: its lines go into the daemon's log, in the daemon's format, wherever that is by now.
/// What a worker writes is not trusted: control bytes are escaped, lines cut at 4 KiB.
class WorkerLog {
 public:
  /// `reading` is our end of the pipe.
  WorkerLog(asio::io_context& io, UniqueFd reading, std::string group);
  /// Takes what is there still.
  ~WorkerLog();
  WorkerLog(const WorkerLog&) = delete;
  WorkerLog& operator=(const WorkerLog&) = delete;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

/// A pipe for it: reading end, writing end; neither ever blocks, both close on exec.
std::pair<UniqueFd, UniqueFd> make_log_pipe();

}  // namespace arcus::daemon
