#include <algorithm>
#include <exception>
#include <functional>
#include <memory>

#include "cli/catalog.h"
#include "cli/core/complete.h"
#include "cli/core/globals.h"
#include "cli/core/help.h"
#include "cli/core/place.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/db/database.h"
#include "lib/registry/backends.h"
#include "lib/registry/certs.h"
#include "lib/registry/columns.h"
#include "lib/registry/references.h"
#include "lib/registry/routes.h"
#include "lib/registry/rules.h"
#include "lib/registry/servers.h"
#include "lib/registry/settings.h"
#include "lib/registry/templates.h"
#include "lib/registry/tenants.h"
#include "lib/registry/users.h"

namespace arcus::cli {
namespace {

using Found = std::vector<Candidate>;

/// What `read` finds in the registry; nothing when there is none or it cannot be read at once.
Found from_registry(const Cursor& cursor, const std::function<void(Database&, Found&)>& read) {
  Found found;
  try {
    std::string path = cursor.db.empty() ? std::string{global::environment("ARCUS_DB")} : cursor.db;
    if (path.empty()) path = default_db_path();
    Database db{absolute_path(path), OpenMode::read_only, {.busy_timeout = std::chrono::milliseconds{200}}};
    read(db, found);
  } catch (const std::exception&) {
    found.clear();  // a half-typed line is no place for messages
  }
  return found;
}

std::string scope(const Cursor& cursor) {
  return cursor.tenant.empty() ? std::string{global::environment("ARCUS_TENANT")} : cursor.tenant;
}

void add_tenants(Database& db, Found& found) {
  for (const registry::Tenant& tenant : registry::list_tenants(db))
    found.push_back({tenant.name, tenant.description});
}

/// tenant/name, inside a tenant the bare names; ids once four digits are typed.
void add_servers(Database& db, const Cursor& cursor, Found& found) {
  const std::string tenant = scope(cursor);
  const bool hex = is_id_prefix(cursor.word);
  for (const registry::Server& server : registry::list_servers(db)) {
    if (!tenant.empty() && server.tenant != tenant) continue;
    const std::string about =
        server.type + " " + server.listen_addr + " port " + std::to_string(server.listen_port);
    found.push_back({tenant.empty() ? server.reference() : server.name, about});
    if (hex) found.push_back({server.id, server.reference()});
  }
}

void add_backends(Database& db, const Cursor& cursor, Found& found) {
  if (cursor.bare.empty()) return;
  const registry::Server server = registry::resolve_server(db, cursor.bare[0], scope(cursor));
  for (const registry::Backend& backend : registry::list_backends(db, server.id))
    found.push_back({backend.address, backend.admin_state});
}

void add_routes(Database& db, const Cursor& cursor, Found& found) {
  if (cursor.bare.empty()) return;
  const registry::Server server = registry::resolve_server(db, cursor.bare[0], scope(cursor));
  for (const registry::Route& route : registry::list_routes(db, server.id))
    found.push_back({route.pattern, route.target});
}

void add_rules(Database& db, const Cursor& cursor, Found& found) {
  const std::string wanted = scope(cursor);
  for (const registry::Tenant& tenant : registry::list_tenants(db)) {
    if (!wanted.empty() && tenant.name != wanted) continue;
    for (const registry::Rule& rule : registry::list_rules(db, tenant.id))
      found.push_back({std::to_string(rule.number), rule.action + " in " + tenant.name});
  }
}

void add_users(Database& db, const Cursor& cursor, Found& found) {
  const std::string wanted = scope(cursor);
  for (const registry::Tenant& tenant : registry::list_tenants(db)) {
    if (!wanted.empty() && tenant.name != wanted) continue;
    for (const registry::User& user : registry::list_users(db, tenant.id))
      found.push_back({wanted.empty() ? tenant.name + "/" + user.name : user.name, user.description});
  }
}

void add_certs(Database& db, const Cursor& cursor, Found& found) {
  const std::string wanted = scope(cursor);
  for (const registry::Tenant& tenant : registry::list_tenants(db)) {
    if (!wanted.empty() && tenant.name != wanted) continue;
    for (const registry::Cert& cert : registry::list_certs(db, tenant.id))
      found.push_back({wanted.empty() ? tenant.name + "/" + cert.name : cert.name, cert.facts.subject});
  }
}

Found keys_of(std::span<const registry::Column> columns, std::string_view suffix) {
  Found found;
  for (const registry::Column& column : columns)
    found.push_back({std::string{column.key}.append(suffix), std::string{column.help}});
  return found;
}

/// `key=`, and once the equals sign is typed the words that may follow.
Found assignments(std::span<const registry::Column> columns, const Cursor& cursor) {
  const auto equals = cursor.word.find('=');
  if (equals == std::string::npos) return keys_of(columns, cursor.command->verb == "unset" ? "" : "=");
  const std::string key = cursor.word.substr(0, equals);
  Found found;
  for (const registry::Column& column : columns) {
    if (column.key != key) continue;
    for (const std::string_view word : column.words) found.push_back({key + "=" + std::string{word}, ""});
    if (column.kind == registry::Column::Kind::boolean)
      found.insert(found.end(), {{key + "=true", ""}, {key + "=false", ""}});
  }
  return found;
}

/// Columns come in lists: what stands before the last comma (and a leading minus) stays.
Found columns_of(const Cursor& cursor) {
  Found found;
  if (cursor.command == nullptr) return found;
  const auto comma = cursor.word.rfind(',');
  std::string before = comma == std::string::npos ? "" : cursor.word.substr(0, comma + 1);
  if (before.empty() && cursor.word.starts_with('-')) before = "-";
  for (const Column& column : cursor.command->more.columns)
    found.push_back({before + std::string{column.key}, ""});
  return found;
}

Found choices_of(const ArgInfo& info) {
  Found found;
  if (&info == &global::output)
    for (const std::string_view name : format_names()) found.push_back({std::string{name}, ""});
  else
    for (std::string& word : split(info.more.choices, '|')) found.push_back({std::move(word), ""});
  return found;
}

Found settings_of(std::string_view suffix) {
  Found found;
  for (const registry::SettingSpec& spec : registry::setting_specs())
    found.push_back({std::string{spec.key}.append(suffix), std::string{spec.help}});
  return found;
}

Found types() {
  Found found;
  for (const ServerType* type : catalog().server_types)
    found.push_back({std::string{type->name}, std::string{type->summary}});
  return found;
}

Found commands_and_topics() {
  Found found;
  for (const Noun* noun : nouns())
    if (noun->group != Group::hidden) found.push_back({std::string{noun->name}, std::string{noun->summary}});
  for (const Topic& topic : topics()) found.push_back({std::string{topic.name}, std::string{topic.summary}});
  return found;
}

}  // namespace

std::vector<Candidate> values_of(const ArgInfo& info, const Cursor& cursor) {
  switch (info.more.complete) {
    case Source::none:
    case Source::file:
    case Source::directory:
      return {};
    case Source::choices:
      return choices_of(info);
    case Source::columns:
      return columns_of(cursor);
    case Source::command:
    case Source::topic:
      return commands_and_topics();
    case Source::server_type:
      return types();
    case Source::server_key:
      return assignments(registry::server_columns(), cursor);
    case Source::tenant_key:
      return assignments(registry::tenant_columns(), cursor);
    case Source::user_key:
      return assignments(registry::user_columns(), cursor);
    case Source::setting_key:
      return settings_of("");
    case Source::setting:
      return settings_of("=");
    case Source::lb: {
      Found found;
      for (const AlgorithmInfo& row : catalog().algorithms)
        found.push_back({std::string{row.name}, std::string{row.summary}});
      return found;
    }
    case Source::tenant:
      return from_registry(cursor, add_tenants);
    case Source::server:
      return from_registry(cursor, [&](Database& db, Found& found) { add_servers(db, cursor, found); });
    case Source::backend:
      return from_registry(cursor, [&](Database& db, Found& found) { add_backends(db, cursor, found); });
    case Source::route:
      return from_registry(cursor, [&](Database& db, Found& found) { add_routes(db, cursor, found); });
    case Source::acl_rule:
      return from_registry(cursor, [&](Database& db, Found& found) { add_rules(db, cursor, found); });
    case Source::user:
      return from_registry(cursor, [&](Database& db, Found& found) { add_users(db, cursor, found); });
    case Source::cert:
      return from_registry(cursor, [&](Database& db, Found& found) { add_certs(db, cursor, found); });
    case Source::template_name:
      return from_registry(cursor, [](Database& db, Found& found) {
        for (const registry::Template& row : registry::list_templates(db))
          found.push_back({row.name, row.description});
      });
  }
  return {};
}

}  // namespace arcus::cli
