#pragma once

namespace arcus {

/// Allows only the system calls a data plane makes; every other fails with EPERM. Sockets of AF_INET and
/// AF_INET6 only, no executable memory, no new processes, no change of a descriptor's flags. Returns false
/// when the kernel refuses.
bool restrict_with_seccomp() noexcept;

}  // namespace arcus
