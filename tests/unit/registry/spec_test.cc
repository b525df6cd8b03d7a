#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/registry/rules.h"
#include "lib/registry/spec.h"
#include "lib/registry/templates.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

TEST_CASE("template: values are copied, flags win, the name comes from the template") {
  Registry r;
  r.add_tenant("acme");
  ServerSpec spec{.tenant = "acme"};
  spec.assignments = {{"max_connections", "77"}};
  apply_template(r.db(), spec, "high_performance_http_proxy");
  const Server server = r.write([&] { return add_server(r.db(), Registry::catalog(), spec); });
  CHECK(server.name == "high-performance-http-proxy");
  CHECK(server.type == "http");
  CHECK(server.template_name == "high_performance_http_proxy");
  CHECK(server.max_connections == 77);
  CHECK(server.connection_timeout_ms == 10'000);
  CHECK(server.backlog == 4096);
  CHECK(server.listen_port == 8080);
}

TEST_CASE("template: port auto takes the next free one") {
  Registry r;
  r.add_tenant("acme");
  for (const int expected : {8080, 8081, 8082}) {
    ServerSpec spec{.name = "s" + std::to_string(expected), .tenant = "acme", .any_free_port = true};
    apply_template(r.db(), spec, "standard_http_proxy");
    CHECK(r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }).listen_port == expected);
  }
}

TEST_CASE("template: every built-in one of an existing type registers") {
  for (const BuiltinTemplate& row : builtin_templates()) {
    CAPTURE(row.name);
    Registry r;
    r.add_tenant("acme");
    ServerSpec spec{.tenant = "acme"};
    if (Registry::catalog().find_type(row.type)->takes_backends)
      spec.backends = {parse_backend("127.0.0.1:1")};
    if (Registry::catalog().find_type(row.type)->needs_certificate)
      spec.assignments.push_back({"tls_cert_path", "/nowhere/cert.pem"});
    apply_template(r.db(), spec, row.name);
    CHECK(r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }).type == row.type);
  }
}

TEST_CASE("template: own ones are added and removed, built-in ones stay") {
  Registry r;
  r.write([&] { add_template(r.db(), "mine", "", R"({"type":"http","max_connections":5})"); });
  CHECK(get_template(r.db(), "mine").spec.find("max_connections") != std::string::npos);
  r.write([&] { remove_template(r.db(), "mine"); });
  CHECK_THROWS_AS(r.write([&] { remove_template(r.db(), "load_balancer"); }), Error);
  CHECK_THROWS_AS(r.write([&] { add_template(r.db(), "x", "", "[]"); }), Error);
}

TEST_CASE("spec from JSON: every unknown key is named with the nearest one") {
  ServerSpec spec;
  try {
    apply_json(spec, R"({"max_conections": 1, "nonsense": 2, "backends": ["x"]})");
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.details().size() == 3);
    CHECK(error.details()[0].find("max_connections") != std::string::npos);
  }
  CHECK_THROWS_AS(apply_json(spec, "{"), Error);
  CHECK_THROWS_AS(apply_json(spec, "[]"), Error);
}

TEST_CASE("spec: --allow and --allow-to become rules of the server") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  ServerSpec spec{.type = "http", .name = "web", .tenant = "acme"};
  spec.assignments = {{"listen", "0.0.0.0:8080"}};
  spec.allow_clients = {"10.0.0.0/8"};
  spec.allow_to = {"127.0.0.0/8"};
  spec.deny_to = {"*.bad.example"};
  const Server web = r.write([&] { return add_server(r.db(), Registry::catalog(), spec); });
  const auto rules = list_rules(r.db(), acme.id);
  REQUIRE(rules.size() == 3);
  CHECK(rules[0].host == "*.bad.example");
  CHECK(rules[1].client == "10.0.0.0/8");
  CHECK(rules[2].destination == "127.0.0.0/8");
  CHECK(rules[2].server_id == web.id);
}

TEST_CASE("spec: a failed registration leaves nothing behind") {
  Registry r;
  r.add_tenant("acme");
  ServerSpec spec{.type = "http", .name = "web", .tenant = "acme"};
  spec.backends = {parse_backend("127.0.0.1:1")};
  spec.assignments = {{"max_connections", "-1"}};
  CHECK_THROWS_AS(r.write([&] { add_server(r.db(), Registry::catalog(), spec); }), Error);
  CHECK(r.number("SELECT count(*) FROM server") == 0);
  CHECK(r.number("SELECT count(*) FROM backend") == 0);
  CHECK(r.number("SELECT count(*) FROM audit") == 1);
}

}  // namespace arcus::registry
