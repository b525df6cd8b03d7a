#include "lib/daemon/process_usage.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "lib/base/text.h"

namespace arcus::daemon {

/// /proc/<pid>/stat from the state on; empty when there is no such process.
static std::string status_fields(pid_t pid) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/stat"};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto end_of_name = text.rfind(')');  // the name may hold blanks and brackets
  return end_of_name == std::string::npos ? std::string{} : text.substr(end_of_name + 1);
}

bool is_alive(pid_t pid) {
  std::istringstream fields{pid > 0 ? status_fields(pid) : std::string{}};
  char state = 0;
  fields >> state;
  return state != 0 && state != 'Z' && state != 'X';
}

ProcessUsage process_usage(pid_t pid) {
  std::istringstream fields{status_fields(pid)};
  std::string skipped;
  constexpr int fields_before_utime = 11;  // state is field 3, utime 14, stime 15, rss 24
  constexpr int fields_before_rss = 8;
  for (int i = 0; i < fields_before_utime; ++i) fields >> skipped;
  std::int64_t user = 0;
  std::int64_t system = 0;
  std::int64_t pages = 0;
  fields >> user >> system;
  for (int i = 0; i < fields_before_rss; ++i) fields >> skipped;
  fields >> pages;
  if (!fields) return {};
  return {.rss_bytes = pages * ::sysconf(_SC_PAGESIZE),
          .cpu_ms = (user + system) * 1000 / ::sysconf(_SC_CLK_TCK)};
}

std::int64_t own_open_fds() {
  std::error_code error;
  std::filesystem::directory_iterator folder{"/proc/self/fd", error};
  return error ? 0 : std::distance(begin(folder), end(folder)) - 1;
}

std::string boot_id() {
  std::ifstream in{"/proc/sys/kernel/random/boot_id"};
  std::string text;
  std::getline(in, text);
  return std::string{trim(text)};
}

}  // namespace arcus::daemon
