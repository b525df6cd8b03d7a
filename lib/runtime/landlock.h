#pragma once

namespace arcus {

/// Puts this thread (and those it makes) into a Landlock domain without any path; with ABI 4 and up also
/// without binding TCP ports other than 0, with ABI 6 without signals and abstract sockets to the outside.
/// Needs no_new_privs. Returns the ABI that is in force, or 0 when the kernel has none.
int restrict_with_landlock() noexcept;

}  // namespace arcus
