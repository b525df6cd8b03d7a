#pragma once

#include "lib/runtime/protocol.h"

namespace arcus {

/// Forward proxy with CONNECT; a load balancer when the server has backends.
extern const Protocol http_protocol;

/// The same over TLS.
extern const Protocol https_protocol;

}  // namespace arcus
