#include "lib/policy/policy.h"

#include <doctest/doctest.h>

#include <chrono>
#include <string>

#include "lib/base/error.h"
#include "lib/base/time.h"

using namespace arcus;
using namespace arcus::policy;

static Request request(std::string_view host = "a.test", std::uint16_t port = 80,
                       const char* client = "9.9.9.9") {
  return {.client = *IpAddress::parse(client), .host = host, .port = port, .method = "GET"};
}

static Endpoint at(const char* text) { return *Endpoint::parse(text); }

TEST_CASE("policy: without rules names are allowed and only global addresses open") {
  const Policy policy;
  CHECK(policy.decide(request(), nullptr).verdict == Verdict::allow);
  CHECK(policy.decide_address(request(), at("8.8.8.8:80"), {}).verdict == Verdict::allow);
  const Decision denied = policy.decide_address(request(), at("127.0.0.1:80"), {});
  CHECK(denied.reason == Reason::destination_denied);
  REQUIRE(denied.range != nullptr);
  CHECK(denied.range->cidr == "127.0.0.0/8");
  CHECK(explain(denied) == "no allow rule opens 127.0.0.0/8 (loopback)");
}

TEST_CASE("policy: only an allow rule with a destination opens the guard") {
  const std::vector<RuleText> by_host{{.number = 10, .allow = true, .host = "a.test"}};
  CHECK(Policy(by_host, {}).decide_address(request(), at("10.1.1.1:80"), {}).reason ==
        Reason::destination_denied);
  const std::vector<RuleText> by_network{{.number = 10, .allow = true, .destination = "10.0.0.0/8"}};
  const Decision open = Policy({}, by_network).decide_address(request(), at("10.1.1.1:80"), {});
  CHECK(open.verdict == Verdict::allow);
  CHECK(open.opens_guard);
  CHECK(explain(open) == "rule 10 of the tenant allows it");
  CHECK(Policy({}, by_network).decide_address(request(), at("[::ffff:10.1.1.1]:80"), {}).verdict ==
        Verdict::allow);
  CHECK(Policy({}, by_network).decide_address(request(), at("11.1.1.1:80"), {}).verdict == Verdict::allow);
  CHECK(Policy({}, by_network).decide_address(request(), at("192.168.1.1:80"), {}).verdict == Verdict::deny);
}

TEST_CASE("policy: what no rule can open") {
  const std::vector<RuleText> all{{.number = 1, .allow = true, .destination = "0.0.0.0/0"},
                                  {.number = 2, .allow = true, .destination = "::/0"}};
  const Policy policy{all, {}};
  const std::uint16_t ports[] = {80};
  for (const char* text : {"0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "[::]:80", "[ff02::1]:80"}) {
    CAPTURE(text);
    CHECK(policy.decide_address(request(), at(text), {}).reason == Reason::destination_denied);
  }
  CHECK(policy.decide_address(request(), at("127.0.0.1:80"), {}).verdict == Verdict::allow);
  CHECK(policy.decide_address(request(), at("127.0.0.1:80"), {{}, ports}).verdict == Verdict::deny);
}

TEST_CASE("policy: allow rules that name clients close the door for all others, whatever else is allowed") {
  const auto verdict = [](const std::vector<RuleText>& of_server, const std::vector<RuleText>& of_tenant,
                          const char* client, int minute = 0) {
    const Policy policy{of_server, of_tenant};
    Request asked = request("a.test", 80, client);
    asked.minute_of_day = minute;
    const IpAddress address = *IpAddress::parse("8.8.8.8");
    const Decision decision = policy.decide(asked, &address);
    CHECK(policy.decide_name(asked).verdict == decision.verdict);
    CHECK(policy.decide_address(asked, {address, 80}, {}).verdict == decision.verdict);
    CHECK((policy.decide(asked, nullptr).verdict == Verdict::deny) == decision.closed_door);
    if (decision.closed_door) {
      CHECK(decision.reason == Reason::acl_denied);
      CHECK(explain(decision) == "allow rules name clients, and none of them this one");
    }
    return decision.verdict;
  };
  const std::vector<RuleText> named{{.number = 1, .allow = true, .client = "9.0.0.0/8"}};
  for (const char* inside : {"9.9.9.9", "::ffff:9.1.1.1"}) {
    CHECK(verdict(named, {}, inside) == Verdict::allow);
    CHECK(verdict({}, named, inside) == Verdict::allow);
  }
  for (const char* outside : {"10.9.9.9", "::ffff:10.1.1.1", "2001:db8::1"}) {
    CHECK(verdict(named, {}, outside) == Verdict::deny);
    CHECK(verdict({}, named, outside) == Verdict::deny);
    CHECK(verdict({{.number = 2, .allow = true, .destination = "0.0.0.0/0"}}, named, outside) ==
          Verdict::deny);
    CHECK(verdict({{.number = 2, .allow = true, .host = "a.test"}}, named, outside) == Verdict::deny);
    CHECK(verdict({{.number = 2, .client = "9.0.0.0/8"}}, {}, outside) == Verdict::allow);
  }
  CHECK(verdict(named, {{.number = 2, .allow = true, .client = "10.0.0.0/8"}}, "10.1.1.1") == Verdict::allow);
  CHECK(verdict(named, {{.number = 2, .allow = true, .client = "0.0.0.0/0"}}, "10.1.1.1") == Verdict::allow);
  CHECK(verdict({}, {{.number = 2, .allow = true, .client = "0.0.0.0/0"}}, "2001:db8::1") == Verdict::allow);
  const std::vector<RuleText> to_one{
      {.number = 1, .allow = true, .client = "9.0.0.0/8", .destination = "10.0.0.0/8", .port_first = 443}};
  CHECK(verdict(to_one, {}, "9.9.9.9") == Verdict::allow);
  CHECK(verdict(to_one, {}, "10.9.9.9") == Verdict::deny);
  const std::vector<RuleText> by_day{
      {.number = 1, .allow = true, .client = "9.0.0.0/8", .time_window = "08:00-18:00"}};
  CHECK(verdict(by_day, {}, "9.9.9.9", 9 * 60) == Verdict::allow);
  CHECK(verdict(by_day, {}, "9.9.9.9", 19 * 60) == Verdict::deny);
  const std::vector<RuleText> by_method{
      {.number = 1, .allow = true, .client = "9.0.0.0/8", .method = "POST"}};
  CHECK(verdict(by_method, {}, "9.9.9.9") == Verdict::deny);
}

TEST_CASE("policy: a rule that admits a client does not hide one that opens a network, a deny does") {
  const std::vector<RuleText> opens{{.number = 1, .allow = true, .client = "9.0.0.0/8"},
                                    {.number = 2, .allow = true, .destination = "127.0.0.0/8"}};
  CHECK(Policy(opens, {}).decide_address(request(), at("127.0.0.1:80"), {}).verdict == Verdict::allow);
  const std::vector<RuleText> denies{{.number = 1, .allow = true, .client = "9.0.0.0/8"},
                                     {.number = 2, .host = "a.test"},
                                     {.number = 3, .allow = true, .destination = "127.0.0.0/8"}};
  CHECK(Policy(denies, {}).decide_address(request(), at("127.0.0.1:80"), {}).verdict == Verdict::deny);
  CHECK(Policy(denies, {}).decide_address(request("b.test"), at("127.0.0.1:80"), {}).verdict ==
        Verdict::allow);
}

TEST_CASE("policy: first match by position, server before tenant") {
  const std::vector<RuleText> server{{.number = 30, .allow = true, .host = "ok.a.test"},
                                     {.number = 40, .host = "*.a.test"}};
  const std::vector<RuleText> tenant{{.number = 10, .host = "b.test"},
                                     {.number = 20, .allow = true, .host = "*.a.test"}};
  const Policy policy{server, tenant};
  struct Row {
    const char* host;
    Verdict verdict;
    std::int64_t rule;
  };
  for (const Row& row : {Row{"ok.a.test", Verdict::allow, 30}, Row{"OK.A.test.", Verdict::allow, 30},
                         Row{"x.a.test", Verdict::deny, 40}, Row{"y.x.a.test", Verdict::deny, 40},
                         Row{"a.test", Verdict::allow, 0}, Row{"xa.test", Verdict::allow, 0},
                         Row{"b.test", Verdict::deny, 10}}) {
    CAPTURE(row.host);
    const Decision decision = policy.decide(request(row.host), nullptr);
    CHECK(decision.verdict == row.verdict);
    CHECK(decision.rule == row.rule);
  }
}

TEST_CASE("policy: each condition of a rule counts") {
  const auto denied = [](RuleText rule, const Request& asked) {
    rule.number = 1;
    return Policy(std::vector{rule}, {}).decide(asked, nullptr).verdict == Verdict::deny;
  };
  CHECK(denied({.client = "9.9.0.0/16"}, request()));
  CHECK_FALSE(denied({.client = "9.8.0.0/16"}, request()));
  CHECK(denied({.client = "9.9.9.9"}, request("a.test", 80, "::ffff:9.9.9.9")));
  CHECK(denied({.client = "2001:db8::/32"}, request("a.test", 80, "2001:db8:1::1")));
  CHECK(denied({.port_first = 80}, request()));
  CHECK(denied({.port_first = 1, .port_last = 100}, request()));
  CHECK_FALSE(denied({.port_first = 81, .port_last = 100}, request()));
  CHECK(denied({.method = "POST, GET"}, request()));
  CHECK_FALSE(denied({.method = "POST"}, request()));
  CHECK_FALSE(denied({.user = "ann"}, request()));
  Request asked = request();
  asked.user = "ann";
  CHECK(denied({.user = "ann"}, asked));
  asked.minute_of_day = 23 * 60;
  CHECK(denied({.time_window = "22:00-06:00"}, asked));
  CHECK_FALSE(denied({.time_window = "08:00-18:00"}, asked));
  asked.minute_of_day = 8 * 60;
  CHECK(denied({.time_window = "08:00-18:00"}, asked));
  asked.minute_of_day = 18 * 60;
  CHECK_FALSE(denied({.time_window = "08:00-18:00"}, asked));
  asked.minute_of_day = -1;  // now
  const auto of_day = [](std::chrono::minutes from_now) {
    const auto now = std::chrono::floor<std::chrono::minutes>(wall_now() + from_now).time_since_epoch();
    const auto minute = static_cast<int>(now.count() % (24 * 60));
    return std::to_string(100 + minute / 60).substr(1) + ":" + std::to_string(100 + minute % 60).substr(1);
  };
  const std::string before = of_day(std::chrono::minutes{-60});
  const std::string after = of_day(std::chrono::minutes{60});
  CHECK(denied({.time_window = before + "-" + after}, asked));
  CHECK_FALSE(denied({.time_window = after + "-" + before}, asked));
  CHECK(denied({.client = "9.9.9.9", .host = "*", .port_first = 80, .method = "GET"}, request()));
}

TEST_CASE("policy: a destination before the first match asks for the address") {
  const std::vector<RuleText> rules{{.number = 1, .host = "first.test"},
                                    {.number = 2, .destination = "8.8.8.0/24"},
                                    {.number = 3, .host = "last.test"}};
  const Policy policy{rules, {}};
  CHECK(policy.decide(request("first.test"), nullptr).verdict == Verdict::deny);
  CHECK(policy.decide(request("last.test"), nullptr).verdict == Verdict::needs_address);
  CHECK(policy.decide_address(request("x.test"), at("8.8.8.8:80"), {}).rule == 2);
  CHECK(policy.decide_address(request("x.test"), at("8.8.4.4:80"), {}).verdict == Verdict::allow);
}

TEST_CASE("policy: a rule that cannot be read is refused by number") {
  for (const RuleText& rule :
       {RuleText{.number = 7, .client = "x"}, RuleText{.number = 7, .host = "a b"},
        RuleText{.number = 7, .destination = "1.2.3"}, RuleText{.number = 7, .port_first = 70'000},
        RuleText{.number = 7, .port_first = 5, .port_last = 4}, RuleText{.number = 7, .time_window = "8-18"},
        RuleText{.number = 7, .time_window = "08:60-18:00"}}) {
    CHECK_THROWS_WITH_AS(Policy(std::vector{rule}, {}), doctest::Contains("rule 7: "), Error);
  }
}

TEST_CASE("policy: ten thousand names cost what ten do") {
  std::vector<RuleText> rules;
  for (int i = 0; i < 10'000; ++i)
    rules.push_back({.number = i + 1, .host = "h" + std::to_string(i) + ".test"});
  const Policy policy{rules, {}};
  CHECK(policy.decide(request("h9999.test"), nullptr).rule == 10'000);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1'000; ++i) policy.decide(request("other.test"), nullptr);
  CHECK(std::chrono::steady_clock::now() - begin <
        std::chrono::milliseconds(500));  // linear would need seconds
}
