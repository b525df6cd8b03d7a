#pragma once

#include <span>
#include <string_view>

#include "lib/runtime/protocol.h"

namespace arcus {

/// All protocols, sorted by name.
std::span<const Protocol* const> protocols() noexcept;

/// The protocol of that name, or nullptr. For protocols that hand clients to another one, whose folder they
/// must not include.
const Protocol* find_protocol(std::string_view name) noexcept;

}  // namespace arcus
