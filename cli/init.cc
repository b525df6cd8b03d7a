#include <cstdlib>

#include "cli/core/context.h"
#include "cli/core/globals.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/db/backup.h"
#include "lib/db/checkpoint.h"
#include "lib/db/migrate.h"
#include "lib/registry/catalog.h"
#include "lib/registry/mutation.h"
#include "lib/registry/tenants.h"

namespace arcus::cli {
namespace {

constexpr Arg<bool> force{"--force", "start anew; what is there is kept beside it"};
constexpr const ArgInfo* signature[] = {&force};
constexpr Example examples[] = {
    {"arcusctl init", "a registry at the default place"},
    {"arcusctl init --db ./test.db --tenant acme", "elsewhere, with its first tenant"},
};
constexpr ExitNote exits[] = {{exit_code::conflict, "there is a registry already"}};

constexpr Column columns[] = {{"path"}, {"schema_version"}, {"tenant"}, {"kept"}};

Error already_there(const std::string& path, int version) {
  return Error{ErrorKind::conflict,
               "'" + path + "' is a registry already (schema " + std::to_string(version) + ")"}
      .about(path)
      .with_hint("--force starts anew and keeps the old one beside it");
}

/// `--db PATH` for the next commands, unless they find the file by themselves.
std::string db_words(const Settings& settings) {
  const bool by_environment = global::environment("ARCUS_DB") == settings.db;
  return settings.db_named && !by_environment ? " --db " + settings.db : "";
}

void print_for_people(Context& context, const std::string& path, int version, const std::string& kept) {
  Output& out = context.out();
  const std::string db = db_words(context.settings());
  const std::string tenant{context.tenant().empty() ? "acme" : context.tenant()};
  if (!kept.empty()) out.line("kept    " + kept);
  out.line("made    " + path + "  schema " + std::to_string(version));
  if (!context.tenant().empty()) out.line("tenant  " + tenant);
  out.line("next");
  if (context.tenant().empty()) out.line("  arcusctl tenant add " + tenant + db);
  out.line("  arcusctl server add http web -t " + tenant + " --port 8080" + db);
  out.line("  arcusctl run -d" + db);
  if (!context.tenant().empty()) out.line("  arcusctl status" + db);
}

void check_tenant_name(std::string_view name) {
  if (name.empty() || is_name(name)) return;
  throw Error{ErrorKind::usage, "tenant.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit"}.about(
      std::string{name});
}

int run(Context& context, const Args& args) {
  const std::string path = context.db_path();
  check_tenant_name(context.tenant());  // before anything is made
  std::string kept;
  if (args[force] && context.db_exists()) {
    context.confirm("start '" + path + "' anew?");
    kept = retire(path, "init");
  }

  Database db{path, OpenMode::create};
  if (const int found = db.schema_version(); found != 0) throw already_there(path, found);
  const MigrationResult made = migrate(db, ARCUS_VERSION);
  if (made.from != 0) throw already_there(path, made.from);  // another command was first
  registry::prepare_registry(db, context.catalog());
  if (!context.tenant().empty()) {
    registry::Mutation mutation{db, {registry::login_name(), "cli", context.settings().reason}};
    registry::add_tenant(db, {.name = std::string{context.tenant()}});
    mutation.commit();
  }
  if (!db.lock_file().run_holder()) checkpoint(db);  // file(1) and cp see a whole registry

  if (!context.out().machine() && !context.quiet()) {
    print_for_people(context, path, made.to, kept);
    return exit_code::ok;
  }
  Table table{columns};
  table.add(path, made.to, context.tenant().empty() ? Cell{} : Cell{context.tenant()},
            kept.empty() ? Cell{} : Cell{kept});
  context.out().object(table);
  return exit_code::ok;
}

constexpr Command commands[] = {
    {"", "make a registry", signature, run, {.examples = examples, .columns = columns, .exits = exits}},
};

}  // namespace

extern const Noun init_noun;
constinit const Noun init_noun{"init", "make a registry", Group::start, commands};

}  // namespace arcus::cli
