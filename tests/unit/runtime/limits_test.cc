#include <doctest/doctest.h>

#include <memory>

#include "lib/runtime/limits.h"
#include "lib/runtime/login.h"

using namespace arcus;
using namespace std::chrono_literals;

namespace {

constexpr SteadyTime start{24h};

ServerLimits limits_of(std::int64_t tenant, std::int64_t server) {
  ServerLimits limits{std::make_shared<Gauge>(), std::make_shared<LimitGroup>(),
                      std::make_shared<LimitGroup>()};
  limits.tenant->requests.set_rate(tenant, start);
  limits.server->requests.set_rate(server, start);
  return limits;
}

int drain(const ServerLimits& limits, Quota* user) {
  int taken = 0;
  while (taken < 1000 && take_request(limits, user, start) == Reason::ok) ++taken;
  return taken;
}

}  // namespace

TEST_CASE("request rate: the tightest of tenant, server and user holds") {
  struct Row {
    std::int64_t tenant, server, user;
    int expected;
  };
  constexpr Row rows[] = {{0, 0, 0, 1000}, {5, 0, 0, 5}, {9, 4, 0, 4},
                          {9, 4, 3, 3},    {2, 4, 3, 2}, {0, 0, 7, 7}};
  for (const Row& row : rows) {
    CAPTURE(row.expected);
    const ServerLimits limits = limits_of(row.tenant, row.server);
    const auto its_quota = std::make_unique<Quota>();  // the sanitizers\' stack does not align it
    Quota& user = *its_quota;
    user.requests.set_rate(row.user, start);
    CHECK(drain(limits, &user) == row.expected);
  }
}

TEST_CASE("request rate: what a later limit refuses the earlier ones have not spent") {
  const ServerLimits limits = limits_of(10, 8);
  const auto its_quota = std::make_unique<Quota>();  // the sanitizers\' stack does not align it
  Quota& user = *its_quota;
  user.requests.set_rate(2, start);
  CHECK(drain(limits, &user) == 2);
  for (int i = 0; i < 100; ++i) CHECK(take_request(limits, &user, start) == Reason::rate_limited);
  CHECK(drain(limits, nullptr) == 6);
  CHECK(limits.tenant->requests.take(start));
  CHECK(limits.tenant->requests.take(start));
  CHECK_FALSE(limits.tenant->requests.take(start));
}

TEST_CASE(
    "user slot: one unit per connection, given back; another user's instead; a lower limit takes none away") {
  const auto bob = std::make_shared<Quota>();
  const auto eve = std::make_shared<Quota>();
  bob->connections.set_limit(2);
  UserSlot first;
  {
    UserSlot second;
    UserSlot third;
    CHECK(first.take(bob));
    CHECK(first.take(bob));
    CHECK(second.take(bob));
    CHECK_FALSE(third.take(bob));
    CHECK(third.user() == nullptr);
    CHECK(second.take(eve));
    CHECK(third.take(bob));
    bob->connections.set_limit(1);
    CHECK(third.take(bob));
    CHECK(bob->connections.value() == 2);
  }
  CHECK(bob->connections.value() == 1);
  CHECK(eve->connections.value() == 0);
  CHECK(first.take(nullptr));
  CHECK(bob->connections.value() == 0);
}

TEST_CASE("user table: who stays keeps what is counted, with the new limits") {
  const std::vector<wire::UserConfig> before{{.name = "bob", .max_connections = 5}};
  const std::vector<wire::UserConfig> after{{.name = "bob", .max_connections = 1, .requests_per_second = 3},
                                            {.name = "eve"}};
  const UserTable old(before);
  UserSlot held;
  REQUIRE(held.take(old.find("bob")->quota));
  const UserTable fresh(after, &old);
  CHECK(fresh.find("bob")->quota == old.find("bob")->quota);
  CHECK(fresh.find("eve")->quota != nullptr);
  UserSlot more;
  CHECK_FALSE(more.take(fresh.find("bob")->quota));
  CHECK(fresh.find("bob")->quota->requests.rate() == 3);
}
