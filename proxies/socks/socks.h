#pragma once

#include "lib/runtime/protocol.h"

namespace arcus {

/// Connects, listens or relays datagrams for clients that ask in SOCKS4, SOCKS4a or SOCKS5.
extern const Protocol socks_protocol;

}  // namespace arcus
