#pragma once

#include <span>

#include "lib/runtime/protocol.h"

namespace arcus {

/// All protocols, sorted by name.
std::span<const Protocol* const> protocols() noexcept;

}  // namespace arcus
