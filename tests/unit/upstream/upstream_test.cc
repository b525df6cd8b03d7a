#include <doctest/doctest.h>

#include <map>
#include <set>

#include "lib/base/error.h"
#include "lib/upstream/backends.h"
#include "lib/upstream/balancer.h"
#include "lib/upstream/keepalive.h"
#include "tests/unit/net/loop.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

TEST_CASE("balancer: no algorithm ever picks an unhealthy backend, or anything when all are") {
  const std::vector<Candidate> one{{.healthy = false}, {.active_connections = 9}, {.healthy = false}};
  const std::vector<Candidate> none{{.healthy = false}, {.healthy = false}};
  for (const Balancer& balancer : balancers()) {
    CAPTURE(balancer.name);
    BalancerState state;
    for (std::uint64_t key = 0; key < 50; ++key) CHECK(balancer.pick(state, one, key) == 1);
    CHECK_FALSE(balancer.pick(state, none, 42));
    CHECK_FALSE(balancer.pick(state, {}, 42));
    CHECK(find_balancer(balancer.name) == &balancer);
  }
  CHECK(find_balancer("magic") == nullptr);
  CHECK(balance_algorithms().size() == balancers().size());
}

TEST_CASE("round_robin: shares follow the weights, smoothly") {
  const std::vector<Candidate> all{{.weight = 5}, {.weight = 1}, {.weight = 1}};
  BalancerState state;
  std::string order;
  for (int i = 0; i < 7; ++i)
    order += static_cast<char>('a' + *find_balancer("round_robin")->pick(state, all, 0));
  CHECK(order == "aabacaa");
}

TEST_CASE("least_connections: the emptiest for its weight") {
  const std::vector<Candidate> all{{.weight = 1, .active_connections = 3},
                                   {.weight = 4, .active_connections = 6},
                                   {.weight = 1, .active_connections = 2}};
  BalancerState state;
  for (int i = 0; i < 20; ++i) CHECK(find_balancer("least_connections")->pick(state, all, 0) == 1);
}

TEST_CASE("ip_hash: a client stays, and only the clients of a lost backend move") {
  std::vector<Candidate> all(5);
  BalancerState state;
  const Balancer& hash = *find_balancer("ip_hash");
  std::map<std::uint64_t, std::size_t> home;
  for (std::uint64_t key = 0; key < 500; ++key) home[key] = *hash.pick(state, all, key * 7919);
  std::set<std::size_t> used;
  for (const auto& [key, index] : home) used.insert(index);
  CHECK(used.size() == 5);
  all[2].healthy = false;
  for (const auto& [key, index] : home) {
    const std::size_t now = *hash.pick(state, all, key * 7919);
    if (index != 2) CHECK(now == index);
    CHECK(now != 2);
  }
}

TEST_CASE("random and two_choices: everyone gets some") {
  for (const char* name : {"random", "two_choices"}) {
    CAPTURE(name);
    const std::vector<Candidate> all(4);
    BalancerState state;
    std::vector<int> hits(4);
    for (int i = 0; i < 400; ++i) ++hits[*find_balancer(name)->pick(state, all, 0)];
    for (const int n : hits) CHECK(n > 40);
  }
}

static BackendSpec spec(std::string id, std::uint16_t port) {
  BackendSpec one;
  one.id = std::move(id);
  one.host = "127.0.0.1";
  one.port = port;
  return one;
}

TEST_CASE("health: down after three failures in a row, then one trial each two seconds, up on success") {
  BackendHealth health;
  SteadyTime now{1h};
  CHECK_FALSE(health.note_failure(now));
  CHECK_FALSE(health.note_success());
  CHECK_FALSE(health.note_failure(now));
  CHECK_FALSE(health.note_failure(now));
  CHECK(health.note_failure(now));
  CHECK(health.is_down());
  CHECK_FALSE(health.may_try(now + 1999ms));
  CHECK(health.may_try(now + 2s));
  CHECK_FALSE(health.may_try(now + 2s));
  CHECK(health.note_success());
  CHECK(health.may_try(now));
}

TEST_CASE("chooser: disabled and draining never, backups last, full ones not, tried ones not again") {
  std::vector<BackendSpec> specs{spec("a", 1), spec("b", 2), spec("c", 3), spec("d", 4)};
  specs[0].admin_state = AdminState::disabled;
  specs[1].admin_state = AdminState::drain;
  specs[2].max_connections = 1;
  specs[3].backup = true;
  const BackendSet set(specs, "round_robin");
  BackendChooser chooser;
  Reason reason = Reason::ok;
  const SteadyTime now{1h};
  const Backend* first = chooser.pick(set, {}, 0, now, reason);
  REQUIRE(first);
  CHECK(first->spec.id == "c");
  CHECK(chooser.last_index() == 2);
  {
    const BackendSlot slot(first->health);
    CHECK(first->health->active == 1);
    CHECK(chooser.pick(set, {}, 0, now, reason)->spec.id == "d");
    CHECK(chooser.pick(set, {3}, 0, now, reason) == nullptr);
    CHECK(reason == Reason::limit_backend);
  }
  CHECK(first->health->active == 0);
  CHECK(chooser.pick(set, {2, 3}, 0, now, reason) == nullptr);
  CHECK(reason == Reason::no_backend);
}

TEST_CASE("backend set: a reload keeps the health of what stays, and refuses an unknown algorithm") {
  const BackendSet before({spec("a", 1), spec("b", 2)}, "round_robin");
  before.all()[0].health->set_down(SteadyTime{1h});
  const BackendSet after({spec("a", 1), spec("b", 9)}, "failover", &before);
  CHECK(after.all()[0].health == before.all()[0].health);
  CHECK(after.all()[1].health != before.all()[1].health);
  CHECK(after.all()[0].health->is_down());
  CHECK_THROWS_AS(BackendSet({}, "magic"), Error);
}

TEST_CASE("keep-alive: the newest live connection of the same key, never another's") {
  Loop loop;
  KeepAlivePool pool(loop.deadlines, 8);
  auto [a, a_peer] = tcp_pair();
  auto [b, b_peer] = tcp_pair();
  const KeepAliveKey key{.server = 1, .address = local(80)};
  const int newest = b.get();
  pool.put(key, Stream(loop.poller, std::move(a)), 10s);
  pool.put(key, Stream(loop.poller, std::move(b)), 10s);
  CHECK_FALSE(pool.take({.server = 2, .address = local(80)}).valid());
  CHECK_FALSE(pool.take({.server = 1, .address = local(81)}).valid());
  CHECK_FALSE(pool.take({.server = 1, .address = local(80), .identity = "x"}).valid());
  CHECK(pool.take(key).fd() == newest);
  CHECK(pool.size() == 1);
  a_peer.reset();
  CHECK(loop.until([&] { return pool.size() == 0; }));
  CHECK_FALSE(pool.take(key).valid());
}

TEST_CASE("keep-alive: surplus bytes, time and numbers end an idle connection") {
  Loop loop;
  KeepAlivePool pool(loop.deadlines, 3);
  const KeepAliveKey key{.server = 1, .address = local(80)};
  auto [a, a_peer] = tcp_pair();
  pool.put(key, Stream(loop.poller, std::move(a)), 10s);
  REQUIRE(socket::send(a_peer.get(), "surplus") == 7);
  CHECK(loop.until([&] { return pool.size() == 0; }));

  auto [b, b_peer] = tcp_pair();
  pool.put(key, Stream(loop.poller, std::move(b)), 20ms);
  CHECK(loop.until([&] { return pool.size() == 0; }));

  std::vector<UniqueFd> peers;
  for (int i = 0; i < 5; ++i) {
    auto [one, peer] = tcp_pair();
    peers.push_back(std::move(peer));
    pool.put(key, Stream(loop.poller, std::move(one)), 10s, 2);
    CHECK(pool.size() <= 2);
  }
  for (std::uint64_t server = 2; server < 6; ++server) {
    auto [one, peer] = tcp_pair();
    peers.push_back(std::move(peer));
    pool.put({.server = server, .address = local(80)}, Stream(loop.poller, std::move(one)), 10s);
  }
  CHECK(pool.size() == 3);
  pool.drop(5);
  CHECK(pool.size() == 2);
  pool.clear();
  CHECK(pool.size() == 0);
}
