#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace arcus {

using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;
using SteadyTime = std::chrono::steady_clock::time_point;

/// The wall clock, cut to milliseconds. For labels only: never for measuring.
WallTime wall_now() noexcept;

/// `YYYY-MM-DDTHH:MM:SS.sssZ`, the form of every time in the registry.
std::string to_text(WallTime time);

/// Now in that form.
std::string now_text();

/// Reads that form; nothing when `text` is of another.
std::optional<WallTime> parse_time(std::string_view text) noexcept;

/// How long ago in two units at most, e.g. "3d04h", "12m05s", "4s".
std::string age_text(std::chrono::milliseconds age);

}  // namespace arcus
