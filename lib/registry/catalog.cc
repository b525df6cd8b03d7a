#include "lib/registry/catalog.h"

#include <cstdint>
#include <string>

#include "lib/base/reason.h"
#include "lib/db/migrate.h"
#include "lib/db/transaction.h"
#include "lib/registry/settings.h"
#include "lib/registry/templates.h"

namespace arcus::registry {

static void sync_types(Database& db, const Catalog& catalog) {
  for (const ServerType* type : catalog.server_types) {
    db.exec(
        "INSERT INTO server_type (name, title, summary, default_port, needs_backend, takes_backends, "
        "needs_certificate, forwards, takes_routes, takes_users) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET title = excluded.title, "
        "summary "
        "= "
        "excluded.summary, "
        "default_port = excluded.default_port, needs_backend = excluded.needs_backend, "
        "takes_backends = excluded.takes_backends, needs_certificate = excluded.needs_certificate, "
        "forwards = excluded.forwards, takes_routes = excluded.takes_routes, "
        "takes_users = excluded.takes_users",
        type->name, type->title, type->summary, type->default_port, type->needs_backend, type->takes_backends,
        type->needs_certificate, type->forwards, type->takes_routes, type->takes_users);
    for (const OptionSpec& option : type->options) {
      std::string words;
      for (const std::string_view word : option.words) (words += words.empty() ? "" : " ") += word;
      db.exec(
          "INSERT INTO server_option (server_type, key, kind, default_value, min, max, words, help) "
          "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (server_type, key) DO UPDATE SET kind = "
          "excluded.kind, "
          "default_value = excluded.default_value, min = excluded.min, max = excluded.max, words = "
          "excluded.words, "
          "help = excluded.help",
          type->name, option.key, name_of(option.kind), option.fallback, option.min, option.max, words,
          option.help);
    }
  }
}

static void sync_words(Database& db, const Catalog& catalog) {
  for (const AlgorithmInfo& algorithm : catalog.algorithms)
    db.exec(
        "INSERT INTO balance_algorithm (name, summary) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET summary = excluded.summary",
        algorithm.name, algorithm.summary);
  for (const ReasonInfo& reason : reasons())
    db.exec(
        "INSERT INTO reason (name, summary, is_error, is_refusal) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO "
        "UPDATE SET "
        "summary = excluded.summary, is_error = excluded.is_error, is_refusal = excluded.is_refusal",
        reason.name, reason.summary, reason.is_error, reason.is_refusal);
  for (const SettingSpec& setting : setting_specs())
    db.exec(
        "INSERT INTO setting_spec (key, kind, default_value, help) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO "
        "UPDATE SET "
        "kind = excluded.kind, default_value = excluded.default_value, help = excluded.help",
        setting.key, setting.kind, setting.fallback, setting.help);
  for (const BuiltinTemplate& row : builtin_templates()) {
    if (!catalog.find_type(row.type)) continue;
    db.exec(
        "INSERT INTO template (name, builtin, description, spec) VALUES (?, 1, ?, ?) ON CONFLICT (name) DO "
        "UPDATE SET "
        "builtin = 1, description = excluded.description, spec = excluded.spec",
        row.name, row.description, row.spec);
  }
}

void sync_catalog(Database& db, const Catalog& catalog) {
  Transaction transaction(db);
  sync_types(db, catalog);
  sync_words(db, catalog);
  transaction.commit();
}

/// Everything sync_catalog would write, as one number: a file that carries it needs no writing.
static std::string fingerprint(const Catalog& catalog) {
  std::uint64_t hash = 1'469'598'103'934'665'603ull;  // FNV-1a
  const auto mix = [&](std::string_view text) {
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1'099'511'628'211ull;
    hash = (hash ^ 0xff) * 1'099'511'628'211ull;
  };
  for (const ServerType* type : catalog.server_types) {
    mix(type->name), mix(type->title), mix(type->summary), mix(std::to_string(type->default_port));
    mix(std::to_string(type->takes_routes * 16 + type->needs_backend * 8 + type->takes_backends * 4 +
                       type->needs_certificate * 2 + type->forwards));
    for (const OptionSpec& option : type->options) {
      mix(option.key), mix(name_of(option.kind)), mix(option.fallback), mix(option.help);
      mix(std::to_string(option.min)), mix(std::to_string(option.max));
      for (const std::string_view word : option.words) mix(word);
    }
  }
  for (const AlgorithmInfo& algorithm : catalog.algorithms) mix(algorithm.name), mix(algorithm.summary);
  for (const ReasonInfo& reason : reasons()) mix(reason.name), mix(reason.summary);
  for (const SettingSpec& s : setting_specs()) mix(s.key), mix(s.kind), mix(s.fallback), mix(s.help);
  for (const BuiltinTemplate& row : builtin_templates()) mix(row.name), mix(row.description), mix(row.spec);
  return std::to_string(hash);
}

bool prepare_registry(Database& db, const Catalog& catalog) {
  const MigrationResult result = migrate(db, ARCUS_VERSION);
  const std::string wanted = fingerprint(catalog);
  auto st = db.query("SELECT 1 FROM setting WHERE key = 'schema_catalog' AND value = ?", wanted);
  if (st.step() && result.from == result.to && !result.rebuilt_views && !result.adopted) return false;
  Transaction transaction(db);
  sync_catalog(db, catalog);
  db.exec(
      "INSERT INTO setting (key, value) VALUES ('schema_catalog', ?) "
      "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      wanted);
  transaction.commit();
  return true;
}

}  // namespace arcus::registry
