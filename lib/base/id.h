#pragma once

#include <string>
#include <string_view>

namespace arcus {

/// A new identifier: 12 lower-case hex digits from the system's random source. Throws Error when that source
/// fails.
std::string new_id();

/// True for 12 lower-case hex digits.
bool is_id(std::string_view text) noexcept;

/// True for 4 to 12 lower-case hex digits: what may be typed for an id.
bool is_id_prefix(std::string_view text) noexcept;

}  // namespace arcus
