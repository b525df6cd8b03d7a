#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <thread>

#include "lib/net/rate_bucket.h"
#include "lib/net/relay.h"
#include "lib/net/throttle.h"
#include "tests/unit/net/loop.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

namespace {

constexpr SteadyTime start{24h};

struct Requests : RateBucket {
  explicit Requests(std::int64_t rate) : RateBucket(1s, 1) { set_rate(rate, start); }
};

struct Bytes : RateBucket {
  explicit Bytes(std::int64_t rate, SteadyTime now) : RateBucket(100ms, 2048) { set_rate(rate, now); }
};

/// How many can be taken at once.
int drain(RateBucket& bucket, SteadyTime now) {
  int taken = 0;
  while (taken < 2'000'000 && bucket.take(now)) ++taken;
  return taken;
}

struct Woken final : Deferred {
  void on_deferred() override { ++times; }
  int times = 0;
};

/// A relay with 10 s of patience; the test holds the outer ends.
struct Limited final : RelayHandler {
  explicit Limited(std::int64_t rate) : bucket(rate, std::chrono::steady_clock::now()) {
    auto [outer_client, inner_client] = tcp_pair();
    auto [outer_backend, inner_backend] = tcp_pair();
    client = std::move(outer_client);
    backend = std::move(outer_backend);
    near_client = Stream(loop.poller, std::move(inner_client));
    loop.turn();
    relay.set_throttles(&throttles);
    relay.start(near_client, Stream(loop.poller, std::move(inner_backend)), {}, {}, 10s);
  }
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override {
    moved += from_client + from_backend;
  }
  void on_relay_done(Reason its_reason) override { reason = its_reason; }

  Loop loop;
  Bytes bucket;
  ThrottlePair throttles{loop.net, {nullptr, &bucket, nullptr}};
  UniqueFd client;
  UniqueFd backend;
  std::size_t moved = 0;
  std::optional<Reason> reason;
  Stream near_client;
  Relay relay{loop.net, *this};
};

}  // namespace

TEST_CASE("rate bucket: a second's worth at once, then the rate; without a rate everything") {
  for (const int rate : {1, 2, 3, 7, 10, 999, 1000, 4321}) {
    CAPTURE(rate);
    Requests bucket(rate);
    CHECK(drain(bucket, start) == rate);
    CHECK(drain(bucket, start + 500ms) == rate / 2);
    CHECK(drain(bucket, start + 60s) == rate);
  }
  Requests unlimited(0);
  CHECK(drain(unlimited, start) == 2'000'000);
}

TEST_CASE("rate bucket: over no window more than the rate and the burst") {
  for (const int rate : {3, 50, 1000}) {
    CAPTURE(rate);
    Requests bucket(rate);
    std::mt19937 random(7);
    std::vector<double> granted;
    SteadyTime now = start;
    while (granted.size() < 1500) {
      now += std::chrono::microseconds(random() % (1'000'000 / static_cast<unsigned>(rate)));
      if (random() % 50 == 0) now += std::chrono::milliseconds(random() % 3000);
      if (bucket.take(now)) granted.push_back(std::chrono::duration<double>(now - start).count());
    }
    double worst = 0;
    for (std::size_t from = 0; from < granted.size(); ++from)
      for (std::size_t to = from; to < granted.size(); ++to)
        worst = std::max(worst, static_cast<double>(to - from + 1) - rate * (granted[to] - granted[from]));
    CHECK(worst <= rate + 1e-3);
  }
}

TEST_CASE("rate bucket: threads that hammer one bucket get together what one would") {
  constexpr int rate = 10'000;
  Requests bucket(rate);
  std::atomic<int> granted{0};
  for (const auto after : {0ms, 100ms, 250ms}) {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        for (int tries = 0; tries < 2 * rate; ++tries)
          if (bucket.take(start + after)) granted.fetch_add(1);
      });
    for (std::thread& one : threads) one.join();
    CAPTURE(after.count());
    CHECK(granted == rate + rate * after.count() / 1000);
  }
}

TEST_CASE("rate bucket: what is given back is there again") {
  Requests bucket(5);
  CHECK(drain(bucket, start) == 5);
  bucket.give_back();
  bucket.give_back();
  CHECK(drain(bucket, start) == 2);
  bucket.give_back(100);
  CHECK(drain(bucket, start + 10s) == 5);
}

TEST_CASE("rate bucket: another rate holds at once, what is owed is owed at the new one") {
  Requests bucket(10);
  CHECK(drain(bucket, start) == 10);
  bucket.set_rate(1000, start);
  CHECK(drain(bucket, start) == 990);
  bucket.set_rate(10, start);
  CHECK(drain(bucket, start + 1s) == 0);
  bucket.set_rate(0, start + 1s);
  CHECK(bucket.take(start + 1s, 1'000'000));
  bucket.set_rate(3, start + 1s);
  CHECK(drain(bucket, start + 1s) == 3);
}

TEST_CASE("rate bucket: reservations come in turn, at the rate") {
  Bytes bucket(1'000'000, start);
  for (int i = 1; i <= 100; ++i) {
    const SteadyTime at = bucket.reserve(start, 10'000);
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(at - start);
    CHECK(wait.count() >= i * 10 - 102);
    CHECK(wait.count() <= i * 10 - 99);
  }
}

TEST_CASE("throttle: no limit leases all, and what was leased and not read goes back") {
  Loop loop;
  loop.turn();
  Bytes bucket(0, loop.poller.now());
  Throttle throttle(loop.net, {&bucket, nullptr, nullptr});
  CHECK(throttle.lease(65536) == 65536);
  throttle.use(65536);
  throttle.settle();
  bucket.set_rate(1'000'000, loop.poller.now());
  for (int i = 0; i < 1000; ++i) {
    CHECK(throttle.lease(65536) == 10'000);
    throttle.use(50);
    throttle.settle();
  }
  CHECK_FALSE(throttle.is_waiting());
}

TEST_CASE("throttle: a connection that used its lease waits for its turn, and is run then") {
  Loop loop;
  loop.turn();
  const SteadyTime began = loop.poller.now();
  Bytes bucket(1'000'000, began);
  Throttle first(loop.net, {&bucket, nullptr, nullptr});
  Throttle second(loop.net, {nullptr, nullptr, &bucket});
  Woken one;
  Woken other;
  first.set_waiter(one);
  second.set_waiter(other);
  std::size_t got = 0;
  while (const std::size_t lease = first.lease(65536)) {
    first.use(lease);
    got += lease;
  }
  CHECK(got == 100'000);
  CHECK(first.is_waiting());
  CHECK(second.lease(65536) == 0);
  CHECK(loop.until([&] { return one.times > 0 && other.times > 0; }));
  CHECK(loop.poller.now() - began >= 10ms);
  first.cancel();
  second.cancel();
  CHECK_FALSE(first.is_waiting());
}

TEST_CASE("relay: bulk stays within the rate, arrives whole, and nothing spins") {
  constexpr std::size_t rate = 8'000'000;
  constexpr std::size_t total = 4'000'000;
  Limited rig(rate);
  const std::string part(65536, 'x');
  std::size_t sent = 0;
  std::size_t got = 0;
  const auto began = std::chrono::steady_clock::now();
  const std::uint64_t wakeups = rig.loop.poller.wakeups();
  CHECK(rig.loop.until([&] {
    while (sent < total) {
      const ssize_t n = socket::send(rig.backend.get(),
                                     std::string_view{part}.substr(0, std::min(part.size(), total - sent)));
      if (n <= 0) break;
      sent += static_cast<std::size_t>(n);
    }
    got += read_now(rig.client.get()).size();
    return got == total;
  }));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  CHECK(seconds >= static_cast<double>(total) / static_cast<double>(rate) - 0.11);
  CHECK(seconds < 2);
  CHECK(rig.moved == total);
  CHECK(rig.loop.poller.wakeups() - wakeups < 1000);
}

TEST_CASE("relay: a limit that is lifted lets what waited go on at once") {
  Limited rig(1024);
  const std::string bytes(300'000, 'x');
  REQUIRE(socket::send(rig.client.get(), bytes) > 100'000);
  CHECK(rig.loop.until([&] { return rig.throttles.is_waiting(); }));
  rig.relay.set_throttles(nullptr);
  rig.throttles.cancel();
  std::size_t got = 0;
  const auto began = std::chrono::steady_clock::now();
  CHECK(rig.loop.until([&] { return (got += read_now(rig.backend.get()).size()) > 100'000; }));
  CHECK(std::chrono::steady_clock::now() - began < 2s);
}
