#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/registry/settings.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

/// The kind of the Error that `call` throws; `failed` is never thrown here.
template <class Call>
static ErrorKind kind_of(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::failed;
}

TEST_CASE("tenant: added, found by name and id, renamed, removed") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  CHECK(get_tenant(r.db(), "acme").id == acme.id);
  CHECK(get_tenant(r.db(), acme.id).name == "acme");
  r.write([&] { rename_tenant(r.db(), acme.id, "acme2"); });
  CHECK_FALSE(find_tenant(r.db(), "acme"));
  r.write([&] { remove_tenant(r.db(), acme.id); });
  CHECK(list_tenants(r.db()).empty());
}

TEST_CASE("tenant: wrong names and taken ones have their own kinds of error") {
  Registry r;
  r.add_tenant("acme");
  CHECK(kind_of([&] { r.add_tenant("acme"); }) == ErrorKind::conflict);
  CHECK(kind_of([&] { r.add_tenant("Acme"); }) == ErrorKind::usage);
  CHECK(kind_of([&] { get_tenant(r.db(), "acne"); }) == ErrorKind::not_found);
  try {
    get_tenant(r.db(), "acne");
  } catch (const Error& error) {
    CHECK(error.suggestion() == "acme");
  }
}

TEST_CASE("tenant: one with servers is not removed") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  r.add_http("acme", "web");
  CHECK(kind_of([&] { r.write([&] { remove_tenant(r.db(), acme.id); }); }) == ErrorKind::conflict);
  CHECK(find_tenant(r.db(), "acme"));
}

TEST_CASE("tenant: several assignments are one audit row and one generation") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const auto rows = r.number("SELECT count(*) FROM audit");
  const Tenant now = r.write([&] {
    return set_tenant(r.db(), acme.id,
                      {{"max_connections", "50"}, {"max_servers", "3"}, {"description", "x"}});
  });
  CHECK(now.max_connections == 50);
  CHECK(now.generation == acme.generation + 1);
  CHECK(r.number("SELECT count(*) FROM audit") == rows + 1);
  CHECK(r.text("SELECT change FROM changes ORDER BY id DESC LIMIT 1").find("max_connections=0->50") !=
        std::string::npos);
  CHECK(r.text("SELECT actor || via || reason FROM audit ORDER BY id DESC LIMIT 1") == "testerclibecause");
}

TEST_CASE("tenant: an assignment that changes nothing leaves no trace") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const auto rows = r.number("SELECT count(*) FROM audit");
  CHECK(r.write([&] {
           return set_tenant(r.db(), acme.id, {{"max_connections", "0"}});
         }).generation == acme.generation);
  CHECK(r.number("SELECT count(*) FROM audit") == rows);
}

TEST_CASE("tenant: every wrong assignment is named at once, and nothing is written") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  try {
    r.write([&] {
      set_tenant(r.db(), acme.id, {{"max_servers", "9"}, {"max_conections", "1"}, {"enabled", "maybe"}});
    });
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    CHECK(error.details().size() == 2);
    CHECK(error.suggestion() == "max_connections");
  }
  CHECK(get_tenant(r.db(), "acme").max_servers == 0);
}

TEST_CASE("tenant: the limit of servers holds") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  r.write([&] { set_tenant(r.db(), acme.id, {{"max_servers", "1"}}); });
  r.add_http("acme", "one");
  CHECK_THROWS_AS(r.add_http("acme", "two"), Error);
  CHECK(list_servers(r.db()).size() == 1);
}

TEST_CASE("settings: typed, with defaults, checked and undone") {
  Registry r;
  CHECK(load_settings(r.db()) == Settings{});
  r.write([&] { set_setting(r.db(), "health_interval_ms", "5s"); });
  CHECK(load_settings(r.db()).health_interval == std::chrono::seconds{5});
  CHECK(kind_of([&] { r.write([&] { set_setting(r.db(), "health_interval_ms", "5"); }); }) ==
        ErrorKind::usage);
  CHECK(kind_of([&] { get_setting(r.db(), "helth_check"); }) == ErrorKind::not_found);
  r.write([&] { unset_setting(r.db(), "health_interval_ms"); });
  CHECK(load_settings(r.db()) == Settings{});
}

TEST_CASE("settings: a stored value that breaks the rules counts as not set") {
  Registry r;
  r.db().exec("INSERT INTO setting (key, value) VALUES ('stats_interval_ms', 'soon')");
  CHECK(load_settings(r.db()).stats_interval == std::chrono::seconds{1});
}

}  // namespace arcus::registry
