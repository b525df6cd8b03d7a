#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace arcus {

/// A decimal integer without sign tricks, blanks, leading zeros or other bases; nothing when `text` is
/// anything else.
std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;

/// "250ms", "30s", "5m", "1h", "7d", or a sum "1h30m". A bare number is milliseconds only where a column ends
/// in _ms: here it is refused, except 0.
std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) noexcept;

/// The shortest text that parse_duration reads back: "30s", "1m30s", "250ms", "0".
std::string duration_text(std::chrono::milliseconds value);

/// "10MiB" (2^20), "10MB" (10^6), "10K" = "10KiB"; bare numbers are bytes.
std::optional<std::int64_t> parse_size(std::string_view text) noexcept;

/// "10MiB/s" in bytes per second; the "/s" may be left out.
std::optional<std::int64_t> parse_size_rate(std::string_view text) noexcept;

/// "100/s"; the "/s" may be left out.
std::optional<std::int64_t> parse_rate(std::string_view text) noexcept;

/// For people: "1.4G", "212M", "512"; powers of 1024.
std::string size_text(std::int64_t bytes);

/// For people: "1,204,411".
std::string count_text(std::int64_t count);

}  // namespace arcus
