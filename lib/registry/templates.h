#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus::registry {

/// The document's PredefinedConfigs: a named spec, in JSON as apply_json reads it (with "type").
struct Template {
  std::string name;
  bool builtin = false;
  std::string description;
  std::string spec;
  std::string type;
  std::int64_t used = 0;  ///< servers made from it
};

/// The built-in ones; types that this binary does not have are left out by sync_catalog.
struct BuiltinTemplate {
  std::string_view name;
  std::string_view type;
  std::string_view description;
  std::string_view spec;
};
std::span<const BuiltinTemplate> builtin_templates() noexcept;

std::vector<Template> list_templates(Database& db);
/// Throws Error (not_found) with the nearest name.
Template get_template(Database& db, std::string_view name);
void add_template(Database& db, std::string_view name, std::string_view description, std::string_view spec);
void remove_template(Database& db, std::string_view name);

}  // namespace arcus::registry
