#include "lib/registry/settings.h"

#include <algorithm>
#include <array>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/units.h"

namespace arcus::registry {

using std::chrono::milliseconds;

static constexpr std::array<SettingSpec, 8> table{{
    {"auto_start", "boolean", "true", 0, 0, "a new server starts at once"},
    {"drain_timeout_ms", "duration_ms", "30000", 0, 86'400'000,
     "how long connections may take to end when the daemon stops"},
    {"health_check", "boolean", "true", 0, 0, "the daemon polls every running server's listener"},
    {"health_interval_ms", "duration_ms", "30000", 100, 86'400'000, "time between two polls of a listener"},
    {"retention.audit", "duration_ms", "34560000000", 0, 0, "how long audit rows are kept; 0 = for ever"},
    {"retention.events", "duration_ms", "2592000000", 0, 0,
     "how long events and the health history are kept; 0 = for ever"},
    {"retention.logs", "duration_ms", "2592000000", 0, 0,
     "how long rotated log files are kept; 0 = for ever"},
    {"stats_interval_ms", "duration_ms", "1000", 100, 3'600'000, "time between two writes of the counters"},
}};
static_assert(std::ranges::is_sorted(table, {}, &SettingSpec::key));

std::span<const SettingSpec> setting_specs() noexcept { return table; }

static const SettingSpec& find_spec(std::string_view key) {
  std::vector<std::string> keys;
  for (const SettingSpec& spec : table) {
    if (spec.key == key) return spec;
    keys.emplace_back(spec.key);
  }
  throw Error(ErrorKind::not_found, "no setting '" + std::string{key} + "'")
      .about(std::string{key})
      .suggest(nearest_word(key, keys).value_or(""))
      .with_hint("arcusctl config list");
}

/// `value` as it is stored, or nothing when it breaks the rules.
static std::optional<std::string> canonical(const SettingSpec& spec, std::string_view value) {
  if (spec.kind == "boolean") {
    if (value == "true" || value == "on" || value == "yes" || value == "1") return "true";
    if (value == "false" || value == "off" || value == "no" || value == "0") return "false";
    return std::nullopt;
  }
  auto number = parse_integer(value);
  if (!number && spec.kind == "duration_ms")
    if (const auto duration = parse_duration(value)) number = duration->count();
  if (!number || *number < spec.min || (spec.max != 0 && *number > spec.max)) return std::nullopt;
  return std::to_string(*number);
}

static std::optional<std::string> stored(Database& db, std::string_view key) {
  auto st = db.query("SELECT value FROM setting WHERE key = ?", key);
  if (!st.step()) return std::nullopt;
  return st.column<std::string>(0);
}

std::string get_setting(Database& db, std::string_view key) {
  const SettingSpec& spec = find_spec(key);
  if (const auto value = stored(db, key))
    if (const auto good = canonical(spec, *value)) return *good;
  return std::string{spec.fallback};
}

void set_setting(Database& db, std::string_view key, std::string_view value) {
  const SettingSpec& spec = find_spec(key);
  const auto good = canonical(spec, value);
  if (!good) {
    const bool boolean = spec.kind == "boolean";
    const std::string unit = spec.kind == "duration_ms" ? " ms, or a duration such as 30s" : "";
    throw Error(ErrorKind::usage,
                std::string{key} + ": " +
                    (boolean ? "true or false"
                             : std::to_string(spec.min) + " to " + std::to_string(spec.max) + unit) +
                    ", not '" + std::string{value} + "'")
        .about(std::string{key});
  }
  if (stored(db, key) == good) return;
  db.exec(
      "INSERT INTO setting (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key, *good);
}

void unset_setting(Database& db, std::string_view key) {
  find_spec(key);
  db.exec("DELETE FROM setting WHERE key = ?", key);
}

Settings load_settings(Database& db) {
  const auto duration = [&](std::string_view key) {
    return milliseconds{parse_integer(get_setting(db, key)).value_or(0)};
  };
  return {.auto_start = get_setting(db, "auto_start") == "true",
          .health_check = get_setting(db, "health_check") == "true",
          .health_interval = duration("health_interval_ms"),
          .stats_interval = duration("stats_interval_ms"),
          .drain_timeout = duration("drain_timeout_ms"),
          .retention = {.audit = duration("retention.audit"),
                        .events = duration("retention.events"),
                        .logs = duration("retention.logs")}};
}

}  // namespace arcus::registry
