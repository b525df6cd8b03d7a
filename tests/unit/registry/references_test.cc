#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/registry/references.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

namespace {
struct Fleet {
  Fleet() {
    for (const char* tenant : {"acme", "globex"}) r.add_tenant(tenant);
    web = r.add_http("acme", "web");
    api = r.add_http("acme", "api");
    other = r.add_http("globex", "web");
  }
  std::string names(const Selection& selection) {
    std::string out;
    for (const Server& server : select_servers(r.db(), selection)) out += server.reference() + " ";
    return out;
  }
  Registry r;
  Server web, api, other;
};
}  // namespace

TEST_CASE("reference: tenant/name, unique name, scoped name, id and prefix") {
  Fleet f;
  CHECK(resolve_server(f.r.db(), "acme/web").id == f.web.id);
  CHECK(resolve_server(f.r.db(), "api").id == f.api.id);
  CHECK(resolve_server(f.r.db(), "web", "globex").id == f.other.id);
  CHECK(resolve_server(f.r.db(), f.web.id).id == f.web.id);
  CHECK(resolve_server(f.r.db(), "id:" + f.web.id.substr(0, 8)).id == f.web.id);
}

TEST_CASE("reference: ambiguous and unknown ones say what there is") {
  Fleet f;
  try {
    resolve_server(f.r.db(), "web");
    FAIL("resolved");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::usage);
    CHECK(error.details().size() == 2);
  }
  try {
    resolve_server(f.r.db(), "acme/wbe");
    FAIL("resolved");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::not_found);
    CHECK(error.suggestion() == "acme/web");
    CHECK(error.hint() == "arcusctl server list -t acme");
  }
}

TEST_CASE("selection: references keep their order, globs and selectors combine") {
  Fleet f;
  CHECK(f.names({.references = {"globex/web", "acme/api"}}) == "globex/web acme/api ");
  CHECK(f.names({.references = {"acme/*"}}) == "acme/api acme/web ");
  CHECK(f.names({.references = {"*"}, .tenant = "globex"}) == "globex/web ");
  CHECK(f.names({.references = {"acme/web", "acme/web"}}) == "acme/web ");
  CHECK(f.names({.all = true}) == "acme/api acme/web globex/web ");
  CHECK(f.names({.type = "tcp"}).empty());
  CHECK(f.names({.status = "stopped"}) == "acme/api acme/web globex/web ");
  CHECK(f.names({.where = "name = 'web' AND errors = 0"}) == "acme/web globex/web ");
  CHECK(f.names({.where = "1 -- a comment"}) == "acme/api acme/web globex/web ");
  CHECK_THROWS_AS(f.names({.status = "runing"}), Error);
}

TEST_CASE("selection: labels") {
  Fleet f;
  f.r.write([&] { set_server(f.r.db(), Registry::catalog(), f.api.id, {{"labels.team", "net"}}); });
  CHECK(f.names({.labels = {"team=net"}}) == "acme/api ");
  CHECK(f.names({.labels = {"team=other"}}).empty());
}

}  // namespace arcus::registry
