#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "lib/base/error.h"
#include "lib/policy/routes.h"

using namespace arcus;
using namespace arcus::policy;

/// Where `name` goes, as the target was written.
static std::string target_of(const Routes& routes, std::string_view name) {
  const Route* route = routes.find(name);
  if (route == nullptr) return "none";
  switch (route->kind) {
    case RouteKind::backends:
      return "backends";
    case RouteKind::passthrough:
      return "passthrough";
    case RouteKind::reject:
      return "reject";
    case RouteKind::endpoint:
      break;
  }
  return route->host + ":" + std::to_string(route->port);
}

TEST_CASE("routes: an exact name, then the longest suffix, then the rest") {
  Routes routes;
  routes.add("*", "reject");
  routes.add("*.example.org", "a.test:1");
  routes.add("*.deep.example.org", "b.test:2");
  routes.add("www.example.org", "backends");
  routes.add("*.org", "passthrough");
  CHECK(routes.size() == 5);
  for (const auto& [name, target] :
       std::initializer_list<std::pair<std::string_view, std::string>>{{"www.example.org", "backends"},
                                                                       {"WWW.Example.ORG.", "backends"},
                                                                       {"ww.example.org", "a.test:1"},
                                                                       {"x.www.example.org", "a.test:1"},
                                                                       {"deep.example.org", "a.test:1"},
                                                                       {"x.deep.example.org", "b.test:2"},
                                                                       {"z.y.x.deep.example.org", "b.test:2"},
                                                                       {"example.org", "passthrough"},
                                                                       {"org", "reject"},
                                                                       {"example.com", "reject"},
                                                                       {"xexample.org", "passthrough"},
                                                                       {"", "reject"}}) {
    CAPTURE(name);
    CHECK(target_of(routes, name) == target);
  }
}

TEST_CASE("routes: without `*` what matches nothing has no route") {
  Routes routes;
  CHECK(routes.empty());
  CHECK(routes.find("a.org") == nullptr);
  routes.add("*.org", "backends");
  CHECK_FALSE(routes.empty());
  CHECK(routes.find("org") == nullptr);
  CHECK(routes.find("") == nullptr);
  CHECK(routes.find(".") == nullptr);
  CHECK(routes.find(std::string(254, 'a')) == nullptr);
  CHECK(routes.find("a.org") != nullptr);
}

TEST_CASE("routes: a target is one of four, an endpoint knows whether it is an address") {
  Routes routes;
  routes.add("a", "[2001:db8::1]:443");
  routes.add("b", "10.0.0.1:8443");
  routes.add("c", "db.internal:1");
  CHECK(routes.find("a")->literal == IpAddress::parse("2001:db8::1"));
  CHECK(routes.find("a")->host == "2001:db8::1");
  CHECK(routes.find("b")->literal == IpAddress::parse("10.0.0.1"));
  CHECK(routes.find("b")->port == 8443);
  CHECK_FALSE(routes.find("c")->literal.has_value());
}

static std::string refusal(std::string_view pattern, std::string_view target) {
  Routes routes;
  routes.add("taken.org", "reject");
  routes.add("*.taken.org", "reject");
  routes.add("*", "reject");
  try {
    routes.add(pattern, target);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("routes: what cannot be read is refused with a sentence") {
  CHECK(refusal("ok.org", "backends") == "");
  for (const std::string target :
       {"", "Backends", "backend", "a.org", "a.org:", "a.org:0", "a.org:99999", ":1", "::1:443"}) {
    CAPTURE(target);
    CHECK(refusal("ok.org", target) ==
          "'" + target + "' is no target: backends, HOST:PORT, passthrough or reject");
  }
  for (const std::string pattern : {"", ".", "a..b", "*.", "*a.org", "a.*.org", "*.*", "*.*.org", "**", "a b",
                                    "a:443", "-a", "b\xc3\xbc.org"}) {
    CAPTURE(pattern);
    CHECK(refusal(pattern, "backends") == "'" + pattern + "' is no pattern: a name, *.SUFFIX or *");
  }
  CHECK(refusal("10.0.0.1", "reject") == "'10.0.0.1' is an address: clients name servers, never addresses");
  for (const std::string pattern : {"taken.org", "Taken.ORG.", "*.taken.org", "*"}) {
    CAPTURE(pattern);
    CHECK(refusal(pattern, "backends") == "'" + pattern + "' has a route already");
  }
}

TEST_CASE("routes: ten thousand names are found as fast as ten") {
  using std::chrono::steady_clock;
  const auto cost = [](int count) {
    Routes routes;
    for (int i = 0; i < count; ++i) {
      routes.add("n" + std::to_string(i) + ".exact.org", "reject");
      routes.add("*.s" + std::to_string(i) + ".suffix.org", "backends");
    }
    int found = 0;
    auto best = steady_clock::duration::max();
    for (int round = 0; round < 5; ++round) {
      const auto began = steady_clock::now();
      for (int i = 0; i < 2'000; ++i)
        found += routes.find(i % 2 ? "x.s7.suffix.org" : "n3.exact.org") != nullptr ? 1 : 0;
      best = std::min(best, steady_clock::now() - began);
    }
    CHECK(found == 10'000);
    return best;
  };
  const auto few = cost(10), many = cost(10'000);
  CHECK(many < 5 * few);
}
