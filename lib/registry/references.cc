#include "lib/registry/references.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/registry/tenants.h"

namespace arcus::registry {

namespace {
/// Id, tenant and name of a server: all that names can be matched against.
struct Entry {
  std::string id;
  std::string tenant;
  std::string name;

  std::string reference() const { return tenant + "/" + name; }
};
}  // namespace

static std::vector<Entry> load_entries(Database& db) {
  std::vector<Entry> out;
  auto st = db.query(
      "SELECT s.id, t.name, s.name FROM server s JOIN tenant t ON t.id = s.tenant_id ORDER BY t.name, "
      "s.name");
  while (st.step()) {
    auto [id, tenant, name] = st.row<std::string, std::string, std::string>();
    out.push_back({std::move(id), std::move(tenant), std::move(name)});
  }
  return out;
}

[[noreturn]] static void fail_not_found(std::string_view reference, const std::vector<Entry>& entries,
                                        std::string_view scope) {
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.push_back(entry.reference());
  std::string wanted{reference};
  if (reference.find('/') == std::string_view::npos && !scope.empty())
    wanted = std::string{scope} + "/" + wanted;
  auto near = nearest_word(wanted, names);
  if (!near && reference.find('/') == std::string_view::npos) {
    std::vector<std::string> bare;
    for (const Entry& entry : entries) bare.push_back(entry.name);
    near = nearest_word(reference, bare);
    for (const Entry& entry : entries)
      if (near && entry.name == *near) {
        near = entry.reference();
        break;
      }
  }
  const std::size_t slash = wanted.find('/');
  throw Error(ErrorKind::not_found, "no server '" + wanted + "'")
      .about(wanted)
      .suggest(near.value_or(""))
      .with_hint("arcusctl server list" +
                 (slash == std::string::npos ? "" : " -t " + wanted.substr(0, slash)));
}

/// The entries a reference without wildcards means: names win over ids, whole ids over prefixes.
static std::vector<const Entry*> match(const std::vector<Entry>& entries, std::string_view reference,
                                       std::string_view scope) {
  std::vector<const Entry*> found;
  const bool forced_id = reference.starts_with("id:");
  if (forced_id) reference.remove_prefix(3);
  if (!forced_id) {
    for (const Entry& entry : entries) {
      const bool in_scope = scope.empty() || entry.tenant == scope;
      if (entry.reference() == reference || (entry.name == reference && in_scope)) found.push_back(&entry);
    }
    if (!found.empty()) return found;
  }
  if (!is_id_prefix(reference)) return found;
  for (const Entry& entry : entries)
    if (entry.id.starts_with(reference)) found.push_back(&entry);
  return found;
}

static const Entry& resolve(const std::vector<Entry>& entries, std::string_view reference,
                            std::string_view scope) {
  const auto found = match(entries, reference, scope);
  if (found.empty()) fail_not_found(reference, entries, scope);
  if (found.size() == 1) return *found.front();
  std::vector<std::string> candidates;
  for (const Entry* entry : found) candidates.push_back(entry->reference() + "  " + entry->id);
  throw Error(ErrorKind::usage, "'" + std::string{reference} + "' is ambiguous")
      .about(std::string{reference})
      .with_details(std::move(candidates))
      .with_hint("write TENANT/NAME, or choose the tenant with -t");
}

/// The scope as a tenant's name: people may give an id.
static std::string scope_name(Database& db, std::string_view tenant) {
  return tenant.empty() ? std::string{} : get_tenant(db, tenant).name;
}

Server resolve_server(Database& db, std::string_view reference, std::string_view tenant_scope) {
  const auto entries = load_entries(db);
  return *find_server(db, resolve(entries, reference, scope_name(db, tenant_scope)).id);
}

/// True when a label of the JSON object equals what key=value asks for.
static void keep_labelled(Database& db, const std::vector<std::string>& labels,
                          std::vector<std::string>& ids) {
  for (const std::string& label : labels) {
    const Assignment wanted = parse_assignment(label);
    std::erase_if(ids, [&](const std::string& id) {
      auto st = db.query(
          "SELECT 1 FROM server, json_each(server.labels) l WHERE server.id = ? AND l.key = ? AND "
          "CAST(l.value AS TEXT) = ?",
          id, wanted.key, wanted.value.value_or(""));
      return !st.step();
    });
  }
}

/// Ids for which every view-level selector holds.
static std::vector<std::string> selected_ids(Database& db, const Selection& selection,
                                             std::string_view scope) {
  // The expression is the user's own SQL: the caller runs it under an authorizer that lets through only
  // SELECT on the views.
  const std::string condition = selection.where.empty() ? "1" : "(" + selection.where + "\n)";
  auto st = db.query(
      "SELECT id FROM server_where WHERE (?1 = '' OR tenant = ?1) AND (?2 = '' OR type = ?2) AND "
      "(?3 = '' OR status = ?3) AND " +
          condition + " ORDER BY tenant, name",
      scope, selection.type, selection.status);
  std::vector<std::string> ids;
  while (st.step()) ids.push_back(st.column<std::string>(0));
  keep_labelled(db, selection.labels, ids);
  return ids;
}

static void check_status(std::string_view status) {
  static const std::vector<std::string> words{"error", "running", "starting", "stopped", "stopping"};
  if (status.empty() || std::ranges::find(words, status) != words.end()) return;
  throw Error(ErrorKind::usage, "no status '" + std::string{status} + "', one of " + join(words, " "))
      .suggest(nearest_word(status, words).value_or(""));
}

std::vector<Server> select_servers(Database& db, const Selection& selection) {
  check_status(selection.status);
  const std::string scope = scope_name(db, selection.tenant);
  std::vector<std::string> ids = selected_ids(db, selection, scope);
  if (!selection.references.empty()) {
    const auto entries = load_entries(db);
    std::vector<std::string> named;
    const auto add = [&](const Entry& entry) {
      const bool selected = !selection.has_selector() || std::ranges::find(ids, entry.id) != ids.end();
      if (selected && std::ranges::find(named, entry.id) == named.end()) named.push_back(entry.id);
    };
    for (const std::string& reference : selection.references) {
      if (!is_glob(reference)) {
        add(resolve(entries, reference, scope));
        continue;
      }
      const bool whole = reference.find('/') != std::string::npos;
      for (const Entry& entry : entries)
        if (glob_match(reference, whole ? entry.reference() : entry.name) &&
            (whole || scope.empty() || entry.tenant == scope))
          add(entry);
    }
    ids = std::move(named);
  }
  std::vector<Server> out;
  if (ids.empty()) return out;
  std::vector<Server> all = list_servers(db);
  for (const std::string& id : ids)
    for (Server& server : all)
      if (server.id == id) out.push_back(server);
  return out;
}

}  // namespace arcus::registry
