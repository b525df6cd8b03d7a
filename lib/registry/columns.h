#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace arcus::registry {

/// A column that people set: `set KEY=VALUE`, `--set`, manifest keys, completion. Sorted by key.
struct Column {
  enum class Kind { text, name, integer, boolean, duration_ms, size, rate, port, address, choice, json };

  std::string_view key;
  Kind kind = Kind::text;
  std::string_view help;
  std::int64_t min = 0;
  std::int64_t max = 0;  ///< 0 = no upper bound
  bool nullable = false;
  std::span<const std::string_view> words{};  ///< for choice
};

std::span<const Column> tenant_columns() noexcept;
std::span<const Column> server_columns() noexcept;
std::span<const Column> backend_columns() noexcept;
std::span<const Column> user_columns() noexcept;

/// One assignment as typed: "max_connections=500", "config.via=false", "idle_timeout_ms=5m".
struct Assignment {
  std::string key;
  std::optional<std::string> value;  ///< nothing: back to the default (`unset`)
};

/// "key=value". Throws Error (usage) without an equals sign or with an empty key.
Assignment parse_assignment(std::string_view text);

/// `value` in the form of the column: durations, sizes and rates become integers, booleans 0 or 1, addresses
/// canonical. Throws Error (usage) with a sentence that names the key.
std::string canonical_value(const Column& column, std::string_view value);

/// The number that `value` is in the form of the column of that key. Throws Error (usage) as canonical_value.
std::int64_t number_of(std::span<const Column> columns, std::string_view key, std::string_view value);

/// The column of that key. Throws Error (usage) with the nearest key when there is none.
const Column& find_column(std::span<const Column> columns, std::string_view key, std::string_view what);

}  // namespace arcus::registry
