#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/upstream/backends.h"
#include "lib/upstream/keepalive.h"
#include "tests/unit/net/loop.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

static BackendSpec spec(std::string id, std::uint16_t port) {
  BackendSpec one;
  one.id = std::move(id);
  one.host = "127.0.0.1";
  one.port = port;
  return one;
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
    const BackendSlot slot(*first);
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
