#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace arcus::daemon {

/// A log file that was rotated away.
struct OldLog {
  std::filesystem::path path;
  std::uintmax_t bytes = 0;
};

/// Files below `log_dir` that a rotation has put aside (access.log.1, daemon.log-20260101.gz, ...) and that
/// nobody has written for `age`. A log in use is never one of them, nor is a file of another name.
std::vector<OldLog> find_old_logs(const std::filesystem::path& log_dir, std::chrono::milliseconds age);
/// Removes them; returns those that went.
std::vector<OldLog> remove_logs(const std::vector<OldLog>& logs);

}  // namespace arcus::daemon
