#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/retention.h"

namespace arcus::registry {

/// One registry-wide setting. Sorted by key.
struct SettingSpec {
  std::string_view key;
  std::string_view kind;  ///< boolean, duration_ms, integer
  std::string_view fallback;
  std::int64_t min = 0;
  std::int64_t max = 0;
  std::string_view help;
};
std::span<const SettingSpec> setting_specs() noexcept;

/// All settings as the daemon uses them. A stored value that breaks its rules counts as not set.
struct Settings {
  bool auto_start = true;
  bool health_check = true;
  std::chrono::milliseconds health_interval{30'000};
  std::chrono::milliseconds stats_interval{1000};
  std::chrono::milliseconds drain_timeout{30'000};
  Retention retention;

  bool operator==(const Settings&) const = default;
};
Settings load_settings(Database& db);

/// The value in force. Throws Error (not_found) with the nearest key.
std::string get_setting(Database& db, std::string_view key);
/// Throws Error (usage) for a value that breaks the rules.
void set_setting(Database& db, std::string_view key, std::string_view value);
void unset_setting(Database& db, std::string_view key);

}  // namespace arcus::registry
