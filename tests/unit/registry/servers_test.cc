#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/registry/backends.h"
#include "lib/registry/rules.h"
#include "lib/registry/spec.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

TEST_CASE("server: wishes bump the generation once, and a wish that holds changes nothing") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  const Server stopped = r.write([&] { return want_stopped(r.db(), web.id); });
  CHECK(stopped.generation == web.generation + 1);
  CHECK(r.write([&] { return want_stopped(r.db(), web.id); }).generation == stopped.generation);
  const Server restarted = r.write([&] { return want_restart(r.db(), web.id); });
  CHECK(restarted.desired_state == "running");
  CHECK(restarted.restart_seq == 1);
  CHECK(r.text("SELECT group_concat(action) FROM audit WHERE object = 'acme/web'").find("server.stop") !=
        std::string::npos);
}

TEST_CASE("server: set takes columns, listen, config and labels in one change") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  const Server now = r.write([&] {
    return set_server(
        r.db(), Registry::catalog(), web.id,
        {{"listen", "[::1]:8088"}, {"idle_timeout_ms", "5m"}, {"config.via", "false"}, {"labels.team", "7"}});
  });
  CHECK(now.listen_addr == "::1");
  CHECK(now.listen_port == 8088);
  CHECK(now.idle_timeout_ms == 300'000);
  CHECK(now.config == R"({"via":false})");
  CHECK(now.labels == R"({"team":"7"})");
  CHECK(now.generation == web.generation + 1);
  const Server back = r.write([&] {
    return set_server(r.db(), Registry::catalog(), web.id,
                      {{"idle_timeout_ms", std::nullopt}, {"config.via", std::nullopt}});
  });
  CHECK(back.idle_timeout_ms == 3'600'000);
  CHECK(back.config == "{}");
}

TEST_CASE("server: unknown options are refused with the nearest word, x_ keys are free") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  r.write([&] { set_server(r.db(), Registry::catalog(), web.id, {{"config.x_note", "hello"}}); });
  CHECK(find_server(r.db(), web.id)->config == R"({"x_note":"hello"})");
  CHECK_THROWS_WITH(r.write([&] {
    set_server(r.db(), Registry::catalog(), web.id, {{"config.vio", "1"}});
  }),
                    doctest::Contains("did you mean via"));
  CHECK_THROWS_WITH(r.write([&] {
    set_server(r.db(), Registry::catalog(), web.id, {{"config.pool_idle_per_host", "9999"}});
  }),
                    doctest::Contains("0 to 1024"));
  CHECK(find_server(r.db(), web.id)->config == R"({"x_note":"hello"})");
}

TEST_CASE("server: an open proxy needs clients named, or --allow-open") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  const auto expose = [&] {
    r.write([&] { set_server(r.db(), Registry::catalog(), web.id, {{"listen", "0.0.0.0:8080"}}); });
  };
  CHECK_THROWS_WITH(expose(), doctest::Contains("--allow-open"));
  CHECK(find_server(r.db(), web.id)->listen_addr == "127.0.0.1");
  const Rule rule =
      r.write([&] { return add_rule(r.db(), acme.id, "", {.action = "allow", .client = "10.0.0.0/8"}); });
  expose();
  CHECK(find_server(r.db(), web.id)->listen_addr == "0.0.0.0");
  r.write([&] { remove_rule(r.db(), acme.id, rule.number); });
  r.write([&] { set_server(r.db(), Registry::catalog(), web.id, {{"allow_open", "true"}}); });
  CHECK(find_server(r.db(), web.id)->allow_open);
}

TEST_CASE("rules: which restrict who may be a client") {
  using Rules = std::vector<Rule>;
  const Rule deny{.action = "deny"};
  const auto allow = [](std::optional<std::string> client, std::optional<std::string> destination = {}) {
    return Rule{.action = "allow", .client = std::move(client), .destination = std::move(destination)};
  };
  for (const char* some :
       {"10.0.0.0/8", "192.0.2.1/32", "2001:db8::/32", "::ffff:10.0.0.0/104", "fc00::/16"}) {
    CAPTURE(some);
    CHECK(restrict_clients(Rules{allow(some)}, {}));
    CHECK(restrict_clients({}, Rules{allow(some)}));
    CHECK(restrict_clients(Rules{allow(some, "10.0.0.0/8")}, {}));
    for (const char* all : {"0.0.0.0/0", "::/0", "0.0.0.0/1", "2000::/3", "::ffff:0:0/96"})
      CHECK_FALSE(restrict_clients(Rules{allow(some)}, Rules{allow(all)}));
  }
  for (const char* all : {"0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/7", "2000::/3", "::ffff:0:0/96"})
    CHECK_FALSE(restrict_clients(Rules{allow(all)}, {}));
  CHECK_FALSE(restrict_clients({}, {}));
  CHECK_FALSE(restrict_clients(Rules{allow({}, "10.0.0.0/8")}, {}));
  CHECK_FALSE(restrict_clients(Rules{Rule{.action = "deny", .client = "10.0.0.0/8"}}, {}));
  CHECK_FALSE(restrict_clients(Rules{Rule{.action = "deny", .host = "a.test"}}, {}));
  CHECK(restrict_clients(Rules{deny}, {}));
  CHECK(restrict_clients(Rules{deny}, Rules{allow({}, "0.0.0.0/0")}));
  CHECK_FALSE(restrict_clients(Rules{allow({}), deny}, {}));
  CHECK_FALSE(restrict_clients(Rules{allow({}, "0.0.0.0/0")}, Rules{deny}));
}

TEST_CASE("server: what makes an open proxy") {
  const ServerType forwarding{.name = "http", .forwards = true};
  const ServerType routing{.name = "sni", .takes_routes = true};
  const Server open{.listen_addr = "0.0.0.0"};
  CHECK(is_open_proxy(open, {}, forwarding));
  CHECK(is_open_proxy(Server{.listen_addr = "::"}, {}, forwarding));
  CHECK(is_open_proxy(open, {.parents = 1}, forwarding));
  CHECK(is_open_proxy(open, {.passes_any_name = true}, routing));
  CHECK_FALSE(is_open_proxy(open, {.routes = 1}, routing));
  CHECK_FALSE(is_open_proxy(open, {.backends = 1}, forwarding));
  CHECK_FALSE(is_open_proxy(open, {.client_rules = true}, forwarding));
  CHECK_FALSE(is_open_proxy(Server{.listen_addr = "127.0.0.1"}, {}, forwarding));
  Server known = open;
  known.client_auth = "require";
  CHECK(is_open_proxy(known, {}, forwarding));
  known.enable_tls = true;
  CHECK_FALSE(is_open_proxy(known, {}, forwarding));
  known.client_auth = "request";
  CHECK(is_open_proxy(known, {}, forwarding));
}

TEST_CASE("server: a reverse proxy is no open proxy") {
  Registry r;
  r.add_tenant("acme");
  ServerSpec spec{.type = "http", .name = "lb", .tenant = "acme"};
  spec.assignments = {{"listen", "0.0.0.0:8000"}};
  CHECK_THROWS_AS(r.write([&] { add_server(r.db(), Registry::catalog(), spec); }), Error);
  spec.backends = {parse_backend("10.0.0.1:80")};
  CHECK(r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }).listen_addr == "0.0.0.0");
}

TEST_CASE("server: overlapping addresses and ports are refused, disjoint ones are not") {
  struct Row {
    const char* first;
    const char* second;
    bool refused;
  };
  for (const Row& row :
       {Row{"127.0.0.1:81", "127.0.0.1:81", true}, Row{"127.0.0.1:81", "127.0.0.2:81", false},
        Row{"0.0.0.0:81", "127.0.0.1:81", true}, Row{"127.0.0.1:81", "0.0.0.0:81", true},
        Row{"0.0.0.0:81", "[::1]:81", false}, Row{"[::]:81", "127.0.0.1:81", true},
        Row{"127.0.0.1:81", "127.0.0.1:82", false}, Row{"127.0.0.1:0", "127.0.0.1:0", false}}) {
    CAPTURE(row.first);
    CAPTURE(row.second);
    Registry r;
    r.add_tenant("acme");
    const auto add = [&](const char* name, const char* listen) {
      ServerSpec spec{.type = "http", .name = name, .tenant = "acme"};
      spec.assignments = {{"listen", listen}, {"allow_open", "true"}};
      return r.write([&] { return add_server(r.db(), Registry::catalog(), spec); });
    };
    add("one", row.first);
    if (row.refused)
      CHECK_THROWS_WITH(add("two", row.second), doctest::Contains("acme/one"));
    else
      CHECK_NOTHROW(add("two", row.second));
  }
}

TEST_CASE("backends: typed, unique, and the last one of a relay stays") {
  Registry r;
  r.add_tenant("acme");
  ServerSpec spec{.type = "tcp", .name = "db", .tenant = "acme"};
  CHECK_THROWS_WITH(r.write([&] { add_server(r.db(), Registry::catalog(), spec); }),
                    doctest::Contains("--backend"));
  spec.backends = {parse_backend("DB.internal:5432,weight=3,backup,max=9")};
  const Server db = r.write([&] { return add_server(r.db(), Registry::catalog(), spec); });
  const Backend first = list_backends(r.db(), db.id).at(0);
  CHECK(first.address == "db.internal:5432");
  CHECK(first.weight == 3);
  CHECK(first.backup);
  CHECK(first.max_connections == 9);
  CHECK_THROWS_AS(r.write([&] { add_backend(r.db(), db.id, parse_backend("db.internal:5432")); }), Error);
  CHECK_THROWS_AS(r.write([&] { remove_backend(r.db(), first.id); }), Error);
  const auto before = find_server(r.db(), db.id)->generation;
  r.write([&] { add_backend(r.db(), db.id, parse_backend("[::1]:5432")); });
  CHECK(find_server(r.db(), db.id)->generation > before);
  r.write([&] { set_backend(r.db(), first.id, {{"admin_state", "drain"}, {"weight", "256"}}); });
  CHECK(get_backend(r.db(), db.id, "db.internal:5432").admin_state == "drain");
  for (const char* text :
       {"host", "host:0", ":80", "h:80,weight=0", "h:80,weight=257", "h:80,foo", "h:80,max=x"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_backend(text), Error);
  }
}

TEST_CASE("rules: numbers are never used twice, order is by position") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const auto add = [&](RuleSpec spec) {
    return r.write([&] { return add_rule(r.db(), acme.id, "", spec); }).number;
  };
  CHECK(add({.action = "deny", .to = "*.example"}) == 1);
  CHECK(add({.action = "allow", .to = "10.0.0.0/8", .port = "80-90"}) == 2);
  CHECK(add({.action = "deny", .client = "192.0.2.1", .before = 1}) == 3);
  std::string order;
  for (const Rule& rule : list_rules(r.db(), acme.id)) order += std::to_string(rule.number);
  CHECK(order == "312");
  r.write([&] { remove_rule(r.db(), acme.id, 2); });
  CHECK(add({.action = "deny"}) == 4);
  r.write([&] { move_rule(r.db(), acme.id, 4, 3); });
  order.clear();
  for (const Rule& rule : list_rules(r.db(), acme.id)) order += std::to_string(rule.number);
  CHECK(order == "431");
}

TEST_CASE("rules: every wrong part is named") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const RuleSpec wrong{.action = "permit",
                       .client = "10/8",
                       .to = "a b",
                       .port = "90-80",
                       .method = "G T",
                       .time_window = "8-9"};
  try {
    r.write([&] { add_rule(r.db(), acme.id, "", wrong); });
    FAIL("accepted");
  } catch (const Error& error) {
    CHECK(error.details().size() == 6);
  }
}

}  // namespace arcus::registry
