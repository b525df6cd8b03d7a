#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/registry/backends.h"
#include "lib/registry/desired.h"
#include "lib/registry/routes.h"
#include "lib/registry/spec.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

static std::string refusal(const auto& what) {
  try {
    what();
  } catch (const Error& error) {
    std::string all = error.what();
    for (const std::string& line : error.details()) all += "|" + line;
    return all;
  }
  return "";
}

static bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("backend: what is typed comes back as text") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  for (const std::string_view typed :
       {"10.0.0.1:80", "db.internal:5432,weight=3,backup,max=100",
        "app:8443,tls,sni=app.example,verify=ca,ca=/x/ca.pem", "[::1]:443,tls,verify=none",
        "http://proxy:3128", "https://bob@proxy:8443,password_file=/x/pw", "socks5://proxy:1080,weight=2"}) {
    CAPTURE(typed);
    const Backend made = r.write([&] { return add_backend(r.db(), web.id, parse_backend(typed)); });
    CHECK(backend_text(made) == typed);
    r.write([&] { remove_backend(r.db(), made.id); });
  }
}

TEST_CASE("backend: a parent's scheme gives role, TLS and port") {
  CHECK(parse_backend("http://p").address == "p:3128");
  CHECK(parse_backend("https://p/").address == "p:443");
  CHECK(parse_backend("https://p/").tls);
  CHECK(parse_backend("socks5://[2001:db8::1]").address == "[2001:db8::1]:1080");
  CHECK(parse_backend("socks5://u@p:1").user_name == "u");
  CHECK(parse_backend("socks5://p:1").role == "parent_socks5");
}

TEST_CASE("backend: nonsense is refused with what would be right") {
  CHECK(has(refusal([] { parse_backend("ftp://p:1"); }), "http://, https:// or socks5://"));
  CHECK(has(refusal([] { parse_backend("http://bob:secret@p:1"); }), "only the user's name"));
  CHECK(has(refusal([] { parse_backend("http://@p:1"); }), "only the user's name"));
  CHECK(has(refusal([] { parse_backend("a:1,sni=x"); }), "with tls only"));
  CHECK(has(refusal([] { parse_backend("a:1,verify=no,tls"); }), "unknown part 'verify=no'"));
  CHECK(has(refusal([] { parse_backend("a:1,password_file=/x"); }), "user of a parent"));
  CHECK(has(refusal([] { parse_backend("a:1,tls,ca="); }), "is empty"));
}

TEST_CASE("parents: only where a client chooses the destination, never beside backends") {
  Registry r;
  r.add_tenant("acme");
  const auto add = [&](std::string_view type, std::vector<std::string_view> backends) {
    ServerSpec spec{.type = std::string{type}, .name = "s", .tenant = "acme"};
    for (const std::string_view text : backends) spec.backends.push_back(parse_backend(text));
    return refusal([&] { r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }); });
  };
  CHECK(has(add("tcp", {"http://p:1"}), "no parent"));
  CHECK(has(add("http", {"http://p:1", "a:1"}), "not both"));
  CHECK(has(add("socks", {"a:1"}), "takes no backends"));
  CHECK(add("socks", {"socks5://p:1"}).empty());
}

TEST_CASE("parents: a proxy that has only parents is still a forward proxy for the open-proxy guard") {
  Registry r;
  r.add_tenant("acme");
  ServerSpec spec{.type = "http", .name = "s", .tenant = "acme"};
  spec.assignments.push_back({"listen", "0.0.0.0:8080"});
  spec.backends.push_back(parse_backend("http://p:1"));
  CHECK(has(refusal([&] { r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }); }),
            "reachable from outside"));
}

TEST_CASE("routes: put, order, change, remove; the server's generation moves") {
  Registry r;
  r.add_tenant("acme");
  ServerSpec spec{.type = "sni", .name = "edge", .tenant = "acme"};
  for (const std::string_view text : {"*=reject", "*.Example=backends", "App.Example.=10.0.0.1:443"})
    spec.routes.push_back(parse_route(text));
  const Server edge = r.write([&] { return add_server(r.db(), Registry::catalog(), spec); });
  std::vector<std::string> shown;
  for (const Route& route : list_routes(r.db(), edge.id)) shown.push_back(route.pattern + "=" + route.target);
  CHECK(shown == std::vector<std::string>{"app.example=10.0.0.1:443", "*.example=backends", "*=reject"});
  const auto generation = [&] { return r.number("SELECT generation FROM server"); };
  const std::int64_t before = generation();
  r.write([&] { put_route(r.db(), edge.id, parse_route("app.example=[::1]:8443")); });
  CHECK(get_route(r.db(), edge.id, "APP.example").target == "[::1]:8443");
  CHECK(generation() == before + 1);
  r.write([&] { put_route(r.db(), edge.id, parse_route("app.example=[::1]:8443")); });
  CHECK(generation() == before + 1);
  r.write([&] { remove_route(r.db(), get_route(r.db(), edge.id, "*").id); });
  CHECK(generation() == before + 2);
  CHECK(has(refusal([&] { get_route(r.db(), edge.id, "ap.example"); }), "no route"));
  CHECK(load_desired(r.db()).servers.at(0).routes.size() == 2);
  CHECK(r.number("SELECT count(*) FROM audit WHERE action GLOB 'route.*'") == 5);
}

TEST_CASE("routes: bad names and targets are refused, here and in the shell") {
  for (const std::string_view text : {"a", "=x:1", "a b=x:1", "*a=x:1", "a.*=x:1", "*.=x:1", "-a=x:1",
                                      "10.0.0.1=x:1", "a=", "a=x", "a=x:0", "a=x:70000", "a=http://x"}) {
    CAPTURE(text);
    CHECK_THROWS_AS(parse_route(text), Error);
  }
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  CHECK(
      has(refusal([&] {
            r.db().exec(
                "INSERT INTO sni_route (tenant_id, server_id, pattern, target) VALUES (?, ?, 'a', 'reject')",
                web.tenant_id, web.id);
          }),
          "has no routes"));
  r.db().exec("UPDATE server_type SET takes_routes = 1");
  for (const std::string_view pattern : {"A", "a*", "**", "*.", "*.*", "a b", ""}) {
    CAPTURE(pattern);
    CHECK_THROWS_AS(
        r.db().exec(
            "INSERT INTO sni_route (tenant_id, server_id, pattern, target) VALUES (?, ?, ?, 'reject')",
            web.tenant_id, web.id, pattern),
        Error);
  }
}

TEST_CASE("TLS and PROXY protocol: settings that cannot work are refused together") {
  Registry r;
  r.add_tenant("acme");
  ServerSpec spec{.type = "https", .name = "s", .tenant = "acme"};
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"tls_min_version", "1.3"},
                                                        {"tls_max_version", "1.2"},
                                                        {"client_auth", "require"},
                                                        {"enable_tls", "0"},
                                                        {"proxy_protocol_in", "v2"}})
    spec.assignments.push_back({key, value});
  const std::string said =
      refusal([&] { r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }); });
  for (const std::string_view part : {"enable_tls: type 'https' never serves without TLS", "tls_cert_path: ",
                                      "tls_max_version: ", "client_ca_path: ", "proxy_protocol_from: "})
    CHECK_MESSAGE(has(said, part), said);
  spec.assignments = {{"tls_cert_path", "/x"}, {"proxy_protocol_from", "10.0.0.0/8,10.0.0.0/99"}};
  CHECK(has(refusal([&] { r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }); }),
            "'10.0.0.0/99'"));
  spec.assignments = {{"tls_cert_path", "/x"}, {"config.tls_version", "SSL3"}};
  CHECK(has(refusal([&] { r.write([&] { return add_server(r.db(), Registry::catalog(), spec); }); }),
            "config.tls_version: TLS1.2 or TLS1.3"));
  spec.assignments = {{"tls_cert_path", "/x"}, {"config.tls_version", "TLS1.3"}};
  const Server added = r.write([&] { return add_server(r.db(), Registry::catalog(), spec); });
  CHECK(added.enable_tls);
  CHECK(tls_version_of(added) == "1.3");
}

}  // namespace arcus::registry
