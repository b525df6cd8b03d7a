#pragma once

#include "lib/runtime/protocol.h"

namespace arcus {

/// RFC 862: every byte comes back. A seventh type for the test that one folder and one row are all it takes.
extern const Protocol echo_protocol;

}  // namespace arcus
