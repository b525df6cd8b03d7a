#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cli/catalog.h"
#include "cli/core/complete.h"
#include "cli/core/context.h"
#include "cli/core/results.h"
#include "cli/core/targets.h"
#include "lib/base/error.h"
#include "lib/db/database.h"
#include "lib/registry/catalog.h"
#include "lib/registry/spec.h"
#include "tests/unit/cli/table_of_nouns.h"

using namespace arcus;
using namespace arcus::cli;

namespace {

/// A directory with a registry of two tenants and three servers, gone at the end.
class Scratch {
 public:
  Scratch() {
    std::string pattern = std::filesystem::temp_directory_path() / "arcus-cli-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    {
      Database db{path(), OpenMode::create};
      registry::prepare_registry(db, catalog());
    }
    Context context = make("set");
    context.change([](Database& db) {
      registry::add_tenant(db, {.name = "acme"});
      registry::add_tenant(db, {.name = "globex"});
      for (const auto& [tenant, name, port] :
           {std::tuple{"acme", "web", "8080"}, std::tuple{"acme", "api", "8081"},
            std::tuple{"globex", "web", "8082"}})
        registry::add_server(
            db, catalog(),
            {.type = "http", .name = name, .tenant = tenant, .assignments = {{"listen_port", port}}});
    });
  }
  ~Scratch() { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path() const { return directory_ / "arcus.db"; }
  [[nodiscard]] Settings settings() const {
    return {.db = path(), .db_named = true, .output = {.quiet = true}};
  }
  [[nodiscard]] Context make(std::string_view verb) const {
    return {test::thing_noun, test::verb(verb), settings()};
  }

 private:
  std::filesystem::path directory_;
};

std::vector<std::string> names(const std::vector<registry::Server>& servers) {
  std::vector<std::string> list;
  for (const registry::Server& server : servers) list.push_back(server.reference());
  return list;
}
using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("context: a named registry that is missing is an error and is not made") {
  Context context{test::thing_noun, test::verb("set"), {.db = "/nonexistent/x.db", .db_named = true}};
  try {
    context.db();
    FAIL("opened");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::registry);
    CHECK(error.hint() == "arcusctl init --db /nonexistent/x.db");
  }
  CHECK_FALSE(std::filesystem::exists("/nonexistent"));
}

TEST_CASE("context: --dry-run changes nothing, an exception neither") {
  const Scratch scratch;
  Settings dry = scratch.settings();
  dry.dry_run = true;
  Context context{test::thing_noun, test::verb("set"), dry};
  context.change([](Database& db) {
    registry::add_tenant(db, {.name = "never"});
    CHECK(registry::list_tenants(db).size() == 3);
  });
  CHECK(registry::list_tenants(context.db()).size() == 2);
  Context wet = scratch.make("set");
  CHECK_THROWS(wet.change([](Database& db) {
    registry::add_tenant(db, {.name = "never"});
    throw Error{ErrorKind::failed, "no"};
  }));
  CHECK(registry::list_tenants(wet.db()).size() == 2);
}

TEST_CASE("context: a stale generation is a conflict") {
  const Scratch scratch;
  Settings settings = scratch.settings();
  settings.if_generation = 3;
  const Context context{test::thing_noun, test::verb("set"), settings};
  CHECK_NOTHROW(context.check_generation(3, "acme/web"));
  CHECK_THROWS_WITH_AS(context.check_generation(4, "acme/web"), "'acme/web' has generation 4, not 3", Error);
}

TEST_CASE("targets: references and selectors, never all by accident") {
  const Scratch scratch;
  Context context = scratch.make("show");
  const auto find = [&](std::vector<Args::Entry> given) {
    return names(find_targets(context, Args{std::move(given)}, false));
  };
  CHECK(find({{&target::refs, {"acme/web"}}}) == Names{"acme/web"});
  CHECK(find({{&target::refs, {"api"}}}) == Names{"acme/api"});
  CHECK(find({{&target::refs, {"*/web"}}}) == Names{"acme/web", "globex/web"});
  CHECK(find({{&target::all, {"true"}}}).size() == 3);
  CHECK(find({{&target::where, {"listen_port > 8080 AND tenant = 'acme'"}}}) == Names{"acme/api"});
  CHECK(find({{&target::status, {"running"}}}).empty());
  CHECK_THROWS_AS(find({}), Error);
  CHECK_THROWS_AS(find({{&target::refs, {"web"}}}), Error);
  CHECK_THROWS_AS(find({{&target::type, {"htpt"}}}), Error);
  CHECK(names(find_targets(context, Args{}, true)).size() == 3);
}

TEST_CASE("targets: --where can only read") {
  const Scratch scratch;
  Context context = scratch.make("set");
  CHECK_THROWS_AS(find_targets(context, Args{{{&target::where, {"1); DELETE FROM server; --"}}}}, false),
                  Error);
  CHECK(registry::list_servers(context.db()).size() == 3);
}

TEST_CASE("waiting: without a daemon a wish is recorded, and verbs that need one say 5") {
  const Scratch scratch;
  Context context = scratch.make("set");
  const auto servers = registry::list_servers(context.db());
  for (const bool needs : {false, true}) {
    const auto outcomes = await_servers(context, servers, {.action = "start", .needs_daemon = needs});
    REQUIRE(outcomes.size() == 3);
    CHECK(outcomes[0].code == (needs ? exit_code::no_daemon : exit_code::ok));
    CHECK(outcomes[0].status == "stopped");
  }
}

TEST_CASE("report: one code for all, partial when they differ") {
  const Scratch scratch;
  Context context = scratch.make("set");
  const Outcome good{.tenant = "a", .name = "b", .action = "x", .status = "running"};
  Outcome bad = good;
  bad.code = exit_code::failed;
  CHECK(report(context, {}) == exit_code::ok);
  CHECK(report(context, {good, good}) == exit_code::ok);
  CHECK(report(context, {bad}) == exit_code::failed);
  CHECK(report(context, {bad, bad}) == exit_code::failed);
  CHECK(report(context, {good, bad}) == exit_code::partial);
}

TEST_CASE("completion: servers and tenants of the registry named on the line") {
  const Scratch scratch;
  CHECK(completion({"thing", "show", "--db", scratch.path(), "acme/"}) ==
        "acme/api\thttp 127.0.0.1 port 8081\nacme/web\thttp 127.0.0.1 port 8080\n:\n");
  CHECK(completion({"thing", "show", "-t", "globex", "--db", scratch.path(), ""}) ==
        "web\thttp 127.0.0.1 port 8082\n:\n");
  CHECK(completion({"thing", "list", "--db", scratch.path(), "-t", ""}) == "acme\t\nglobex\t\n:\n");
}
