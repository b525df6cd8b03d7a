#include "lib/runtime/sandbox.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "lib/base/error.h"
#include "lib/runtime/landlock.h"
#include "lib/runtime/seccomp_filter.h"

namespace arcus {

static void change_identity(uid_t uid, gid_t gid) {
  if (::setgroups(0, nullptr) != 0) throw system_error("setgroups", errno);
  if (::setresgid(gid, gid, gid) != 0) throw system_error("setresgid", errno);
  if (::setresuid(uid, uid, uid) != 0) throw system_error("setresuid", errno);
  if (uid != 0 && ::setuid(0) == 0) throw Error{ErrorKind::permission, "root could be taken back"};
}

/// Also those that a service manager gave the daemon for low ports (ambient ones survive exec).
static void drop_capabilities() noexcept {
  static_cast<void>(::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  static_cast<void>(::syscall(SYS_capset, &header, none.data()));
}

SandboxState enter_sandbox(const SandboxRequest& request) {
  if (request.uid >= 0 && ::geteuid() == 0)
    change_identity(static_cast<uid_t>(request.uid),
                    static_cast<gid_t>(request.gid < 0 ? request.uid : request.gid));
  // After the change of identity, which clears it: the daemon's death must not leave us behind.
  static_cast<void>(::prctl(PR_SET_PDEATHSIG, SIGTERM));
  const rlimit none{0, 0};
  static_cast<void>(::setrlimit(RLIMIT_CORE, &none));

  SandboxState state;
  if (request.mode == "off") return state;
  static_cast<void>(::prctl(PR_SET_DUMPABLE, 0));
  drop_capabilities();
  state.no_new_privs = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  state.landlock_abi = restrict_with_landlock();
  state.seccomp = restrict_with_seccomp();
  if (request.mode == "require" && (!state.no_new_privs || state.landlock_abi == 0 || !state.seccomp))
    throw Error{ErrorKind::failed, "the sandbox is not to be had on this kernel"};
  return state;
}

}  // namespace arcus
