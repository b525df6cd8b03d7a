#pragma once

#include "lib/runtime/protocol.h"

namespace arcus {

/// Routes TLS connections by the server name in their ClientHello, without decrypting them.
extern const Protocol sni_protocol;

}  // namespace arcus
