#pragma once

#include "lib/runtime/protocol.h"

namespace arcus {

/// Relays bytes to one of its backends.
extern const Protocol tcp_protocol;

}  // namespace arcus
