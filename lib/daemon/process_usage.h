#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace arcus::daemon {

/// The kernel's figures about a process; zero where it does not tell.
struct ProcessUsage {
  std::int64_t rss_bytes = 0;
  std::int64_t cpu_ms = 0;  ///< user and system time since its start
};

ProcessUsage process_usage(pid_t pid);

/// Whether a process of that number runs; one that died and was not waited for does not.
bool is_alive(pid_t pid);

/// How many descriptors this process has open.
std::int64_t own_open_fds();

/// Names the running kernel's boot (a UUID); "" when unknown.
std::string boot_id();

}  // namespace arcus::daemon
