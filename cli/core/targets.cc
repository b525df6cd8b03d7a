#include "cli/core/targets.h"

#include <iostream>
#include <memory>

#include "cli/core/context.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/db/authorizer.h"
#include "lib/db/database.h"
#include "lib/registry/references.h"

namespace arcus::cli {

/// The first word of each line, so that any table can be piped back; its heading line is passed over.
static void read_references(std::vector<std::string>& references) {
  std::string line;
  while (std::getline(std::cin, line)) {
    const std::vector<std::string> words = split(trim(line), ' ');
    if (words.empty() || words[0].empty() || words[0] == "TENANT" || words[0] == "SERVER" || words[0] == "ID")
      continue;
    references.push_back(words[0]);
  }
}

static registry::Selection selection_of(Context& context, const Args& args) {
  registry::Selection selection{.tenant = std::string{context.tenant()},
                                .all = args[target::all],
                                .type = std::string{args[target::type]},
                                .status = std::string{args[target::status]},
                                .where = std::string{args[target::where]}};
  for (const std::string_view label : args[target::label]) selection.labels.emplace_back(label);
  for (const std::string_view word : args[target::refs]) {
    if (word == "-")
      read_references(selection.references);
    else
      selection.references.emplace_back(word);
  }
  if (!selection.type.empty()) {
    const ServerType* type = context.catalog().find_type(selection.type);
    if (type == nullptr) {
      std::vector<std::string> names;
      for (const ServerType* known : context.catalog().server_types) names.emplace_back(known->name);
      Error error{ErrorKind::usage, "no server type '" + selection.type + "'"};
      if (auto near = nearest_word(selection.type, names)) throw std::move(error).suggest(*near);
      throw std::move(error).with_hint("one of " + join(names, ", "));
    }
    selection.type = type->name;
  }
  return selection;
}

std::vector<registry::Server> find_targets(Context& context, const Args& args, bool none_means_all) {
  const bool named = !args[target::refs].empty();
  const registry::Selection selection = selection_of(context, args);
  // `-` on an empty standard input names nothing, which is not the same as naming nothing at all.
  if (named && selection.references.empty() && !selection.has_selector()) return {};
  const bool scoped = none_means_all || !context.tenant().empty();
  if (!named && !selection.has_selector() && !scoped)
    throw Error{ErrorKind::usage, "'" + full_name(context.noun(), context.command()) + "' needs a server"}
        .with_hint("name it (tenant/name), or say --all, -t TENANT, --type, --status, --label or --where");
  if (selection.where.empty()) return registry::select_servers(context.db(), selection);
  context.db();  // says what is wrong with the registry before the second connection does
  Database reader{context.db_path(), OpenMode::read_only};
  const ReadingOnly guard{reader};
  return registry::select_servers(reader, selection);
}

registry::Server find_target(Context& context, std::string_view reference) {
  return registry::resolve_server(context.db(), reference, context.tenant());
}

registry::Tenant find_tenant_target(Context& context, std::string_view word) {
  if (word.empty()) word = context.tenant();
  if (!word.empty()) return registry::get_tenant(context.db(), word);
  std::vector<registry::Tenant> tenants = registry::list_tenants(context.db());
  if (tenants.size() == 1) return std::move(tenants[0]);
  if (tenants.empty())
    throw Error{ErrorKind::not_found, "there is no tenant yet"}.with_hint("arcusctl tenant add NAME");
  throw Error{ErrorKind::usage, "which tenant?"}.with_hint("say -t " + tenants[0].name +
                                                           ", or set ARCUS_TENANT");
}

TenantPart find_tenant_part(Context& context, std::string_view word) {
  const std::size_t slash = word.find('/');
  if (slash == std::string_view::npos) return {find_tenant_target(context), std::string{word}};
  return {find_tenant_target(context, word.substr(0, slash)), std::string{word.substr(slash + 1)}};
}

}  // namespace arcus::cli
