#pragma once

#include <ares.h>

#include "lib/net/resolv_conf.h"

namespace arcus {

/// A c-ares channel that asks the servers of `conf` and reads no file; the caller destroys it. `on_socket` is
/// called with `argument` when a socket of the channel wants to be watched otherwise. Throws Error (failed).
ares_channel open_cares_channel(ResolvConf conf, ares_sock_state_cb on_socket, void* argument);

}  // namespace arcus
