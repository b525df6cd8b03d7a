#pragma once

#include <cstdint>
#include <string_view>

namespace arcus {

struct SandboxRequest {
  std::int64_t uid = -1;  ///< to become, when root; -1 = stay
  std::int64_t gid = -1;
  std::string_view mode = "auto";  ///< auto, require, off
};

/// What is in force.
struct SandboxState {
  bool no_new_privs = false;
  bool seccomp = false;
  int landlock_abi = 0;  ///< 0 = none
};

/// Gives up what a data plane needs not: root, the file system, new programs, most system calls, core dumps.
/// Before any thread is made. Throws Error when identity cannot be changed, or, with mode `require`, when
/// anything else is not to be had.
SandboxState enter_sandbox(const SandboxRequest& request);

}  // namespace arcus
