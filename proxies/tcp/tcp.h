#pragma once

#include "lib/runtime/protocol.h"

namespace arcus {

/// Relays bytes to one of its backends.
extern const Protocol tcp_protocol;

/// The same for what comes inside TLS.
extern const Protocol tls_protocol;

}  // namespace arcus
