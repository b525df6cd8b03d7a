#pragma once

#include <cstdint>

#include "lib/base/address.h"
#include "lib/base/unique_fd.h"

namespace arcus::daemon {

/// A bound, listening, non-blocking TCP socket and where it really is.
struct ListenSocket {
  UniqueFd fd;
  Endpoint bound;
};

/// Binds `where` (port 0: the kernel picks) and listens. SO_REUSEADDR, never SO_REUSEPORT; IPv6 sockets take
/// IPv6 only, "::" takes both. Throws Error: `conflict` when the port is taken (the holder's name and pid in
/// the text), `permission` for a port below 1024, else `failed`.
ListenSocket open_listen_socket(const Endpoint& where, int backlog);

/// Listens again on a socket that one of its holders shut down (a worker that was told TERM does); true
/// without doing anything when it listens still. False when it cannot: the port is gone.
bool keep_listening(const ListenSocket& socket, int backlog) noexcept;

/// Sets the accept queue's length anew; without effect on the connections in it.
void set_backlog(const UniqueFd& fd, int backlog) noexcept;

}  // namespace arcus::daemon
