#include "lib/upstream/balancer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "lib/upstream/turns.h"
#include "tests/unit/upstream/pool.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

using Weights = std::vector<std::int64_t>;

static const std::vector<Weights> weightings{
    {1, 1}, {1, 1, 1, 1, 1}, {5, 1, 1}, {1, 2, 3, 4, 5, 6, 7, 8}, {256, 128, 64, 32}, Weights(100, 3)};

TEST_CASE("balancers: a sorted table, which find_balancer and the registry read") {
  std::vector<std::string> names;
  for (const Balancer& balancer : balancers()) {
    CHECK(find_balancer(balancer.name) == &balancer);
    names.emplace_back(balancer.name);
  }
  CHECK(names == std::vector<std::string>{"consistent_hash", "failover", "ip_hash", "least_connections",
                                          "random", "round_robin", "two_choices"});
  CHECK(find_balancer("magic") == nullptr);
  CHECK(balance_algorithms().size() == balancers().size());
}

// The hash algorithms spread clients by their table alone: of 5,003 places the lightest member here has 139
// or more, and is off by half a place at the most, which adds less than 1 to the sum.
TEST_CASE("balancers: 100,000 picks of an idle pool follow the weights") {
  for (const std::string name :
       {"consistent_hash", "ip_hash", "least_connections", "random", "round_robin", "two_choices"})
    for (const Weights& weights : weightings) {
      CAPTURE(name);
      CAPTURE(weights.size());
      CAPTURE(weights.back());
      Pool pool(name, weights, 42);
      CHECK(chi_square(pool.count(many_picks), weights) < chi_square_limit(weights.size() - 1));
    }
}

TEST_CASE("balancers: 100,000 connections that stay follow the weights") {
  for (const std::string name :
       {"consistent_hash", "ip_hash", "least_connections", "random", "round_robin", "two_choices"})
    for (const Weights& weights : weightings) {
      CAPTURE(name);
      CAPTURE(weights.size());
      CAPTURE(weights.back());
      Pool pool(name, weights, 43);
      CHECK(chi_square(pool.count(many_picks, true), weights) < chi_square_limit(weights.size() - 1));
    }
}

TEST_CASE("failover: the first of those that are there") {
  Pool pool("failover", {1, 200, 200});
  for (int i = 0; i < 100; ++i) CHECK(pool.pick() == 0);
  pool.health(0).set_down(pool.now + 1s);
  for (int i = 0; i < 100; ++i) CHECK(pool.pick() == 1);
  pool.tried = {1};
  CHECK(pool.pick() == 2);
}

TEST_CASE("round_robin: every cycle is exact, from wherever it begins") {
  for (const Weights& weights : weightings)
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      CAPTURE(weights.size());
      CAPTURE(seed);
      Pool pool("round_robin", weights, seed);
      int cycle = 0;
      for (const std::int64_t weight : weights) cycle += static_cast<int>(weight);
      for (int i = 0; i < 3; ++i) CHECK(pool.count(cycle) == weights);
      pool.count(cycle / 3);
      CHECK(pool.count(cycle) == weights);
    }
}

/// Of one backend.
static std::size_t longest_run(const std::vector<std::size_t>& order) {
  std::size_t longest = 1;
  std::size_t run = 1;
  for (std::size_t i = 1; i < order.size(); ++i) {
    run = order[i] == order[i - 1] ? run + 1 : 1;
    longest = std::max(longest, run);
  }
  return longest;
}

TEST_CASE("round_robin: smooth, however the weights stand") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    CAPTURE(seed);
    Pool heavy("round_robin", {5, 1, 1}, seed);
    Pool alike("round_robin", {2, 1, 1}, seed);
    std::vector<std::size_t> one;
    std::vector<std::size_t> other;
    for (int i = 0; i < 200; ++i) {
      one.push_back(*heavy.pick());
      other.push_back(*alike.pick());
    }
    CHECK(longest_run(one) <= 3);
    CHECK(longest_run(other) <= 2);
  }
  // No backend is ever further than a turn from its fair part.
  const Weights weights{40, 7, 7, 7, 3, 2, 1, 1};
  Pool pool("round_robin", weights, 7);
  std::vector<double> seen(weights.size());
  for (int i = 1; i <= 68; ++i) {
    ++seen[*pool.pick()];
    for (std::size_t n = 0; n < weights.size(); ++n)
      CHECK(std::abs(seen[n] - i * static_cast<double>(weights[n]) / 68) < 2);
  }
}

TEST_CASE("round_robin: who is not there is passed over, and the others keep their turns") {
  Pool pool("round_robin", {3, 2, 1, 1});
  pool.health(1).set_down(pool.now + 1s);
  CHECK(pool.count(50) == Weights{30, 0, 10, 10});
}

TEST_CASE("round_robin: two choosers of their own accord do not march in step") {
  const BackendSet set(specs_of(Weights(50, 1)), "round_robin");
  std::set<std::size_t> firsts;
  for (int i = 0; i < 20; ++i) {
    BackendChooser chooser;
    Reason reason = Reason::ok;
    REQUIRE(chooser.pick(set, {}, 0, SteadyTime{1h}, reason));
    firsts.insert(chooser.last_index());
  }
  CHECK(firsts.size() > 5);
}

TEST_CASE("least_connections: the emptiest for its weight, also among 1,000 and when connections end") {
  Pool few("least_connections", {1, 4, 1});
  few.health(0).active = 3;
  few.health(1).active = 6;
  few.health(2).active = 2;
  for (int i = 0; i < 20; ++i) CHECK(few.pick() == 1);
  few.health(1).active = 9;
  for (int i = 0; i < 20; ++i) CHECK(few.pick() == 2);

  Pool many("least_connections", Weights(1'000, 1));
  many.count(5'000, true);
  for (std::size_t i = 0; i < 1'000; ++i) CHECK(many.health(i).active == 5);
  many.health(700).active = 0;
  many.health(300).active = 2;
  const auto seen = many.count(100, true);
  CHECK(many.health(700).active >= 5);
  CHECK(many.health(300).active >= 5);
  CHECK(std::ranges::max(seen) <= 6);
  many.now += 1s;  // long ago: all are looked at
  many.health(10).active = 0;
  CHECK(many.pick() == 10);
}

TEST_CASE("two_choices: nobody gets far ahead") {
  Pool pool("two_choices", Weights(100, 1));
  pool.count(10'000, true);
  for (std::size_t i = 0; i < 100; ++i) {
    CHECK(pool.health(i).active >= 95);
    CHECK(pool.health(i).active <= 105);
  }
}

static std::vector<std::size_t> homes_of(Pool& pool, std::uint32_t clients) {
  std::vector<std::size_t> homes;
  for (std::uint32_t n = 0; n < clients; ++n) homes.push_back(*pool.pick(nth_client(n)));
  return homes;
}

TEST_CASE("ip_hash: when a backend leaves or comes at most 1/n + 5 % of the clients move") {
  for (const std::size_t count : {2U, 3U, 10U, 50U, 100U, 655U, 1'000U}) {
    CAPTURE(count);
    auto specs = specs_of(Weights(count, 1));
    for (std::size_t i = 0; i < count; i += 3) specs[i].weight = 2;
    Pool before("ip_hash", specs);
    const auto homes = homes_of(before, 50'000);
    const BackendSpec lost = specs[count / 2];
    specs.erase(specs.begin() + static_cast<std::ptrdiff_t>(count / 2));
    Pool after("ip_hash", specs);
    const auto others = homes_of(after, 50'000);
    std::size_t moved = 0;
    std::size_t had = 0;
    for (std::size_t n = 0; n < homes.size(); ++n) {
      const std::string& home = before.set.all()[homes[n]].spec.id;
      had += home == lost.id;
      moved += home != after.set.all()[others[n]].spec.id;
    }
    CHECK(static_cast<double>(moved - had) / 50'000 < 0.05);
    const double fair = static_cast<double>(lost.weight) / static_cast<double>(count);
    CHECK(static_cast<double>(moved) / 50'000 < fair + 0.05);
  }
}

TEST_CASE("ip_hash: a reload that crosses a size of the table keeps the size, and so the clients") {
  const BackendSet before(specs_of(Weights(50, 1)), "ip_hash");
  const BackendSet after(specs_of(Weights(51, 1)), "ip_hash", &before);
  CHECK(after.first_choice().maglev.size() == before.first_choice().maglev.size());
  CHECK(BackendSet(specs_of(Weights(51, 1)), "ip_hash").first_choice().maglev.size() >
        before.first_choice().maglev.size());
}

TEST_CASE("ip_hash: a client stays; while its backend is down only its clients go elsewhere, to all others") {
  Pool pool("ip_hash", Weights(5, 1));
  const auto homes = homes_of(pool, 5'000);
  pool.health(2).set_down(pool.now + 1s);
  const auto others = homes_of(pool, 5'000);
  std::map<std::size_t, int> taken_in;
  for (std::size_t n = 0; n < homes.size(); ++n) {
    CHECK(others[n] != 2);
    if (homes[n] == 2)
      ++taken_in[others[n]];
    else
      CHECK(others[n] == homes[n]);
  }
  for (const std::size_t other : {0U, 1U, 3U, 4U}) CHECK(taken_in[other] > 150);
  pool.health(2).note_success(pool.now);
  CHECK(homes_of(pool, 5'000) == homes);
}

TEST_CASE("ip_hash: a light one among heavy ones has a place") {
  Weights weights(40, 256);
  weights.push_back(1);
  Pool pool("ip_hash", weights);
  const auto seen = pool.count(200'000);
  CHECK(seen[40] > 0);
  CHECK(seen[40] < 200);
}

TEST_CASE("consistent_hash: a client stays while its backend has room, and nobody has over 5/4 of its part") {
  const Weights weights{1, 2, 3, 4, 1, 1, 1, 1, 1, 1};
  Pool pool("consistent_hash", weights);
  const auto homes = homes_of(pool, 1'000);
  CHECK(homes_of(pool, 1'000) == homes);
  // Half of all connections are those of ten clients.
  Random random(5);
  std::int64_t total = 0;
  for (int n = 0; n < 20'000; ++n) {
    const std::uint64_t drawn = random.next();
    const auto client = static_cast<std::uint32_t>(drawn % 2 == 0 ? drawn / 2 % 10 : drawn / 2 % 1'000);
    const auto index = pool.pick(nth_client(client));
    REQUIRE(index);
    ++pool.health(*index).active;
    ++total;
    const std::int64_t bound = (5 * total * weights[*index] + 4 * 16 - 1) / (4 * 16);
    CHECK(pool.health(*index).active <= bound + 1);
    if (n > 10'000) {
      std::size_t ended = random.below(weights.size());
      while (pool.health(ended).active == 0) ended = random.below(weights.size());
      --pool.health(ended).active;
      --total;
    }
  }
  for (std::size_t i = 0; i < weights.size(); ++i) pool.health(i).active = 0;
  CHECK(homes_of(pool, 1'000) == homes);
}

TEST_CASE("consistent_hash: the bound holds among 1,000, whom no pick looks at all of") {
  Pool pool("consistent_hash", Weights(1'000, 1));
  for (int n = 0; n < 20'000; ++n) {
    const auto index = pool.pick(nth_client(static_cast<std::uint32_t>(n % 3'000)));
    REQUIRE(index);
    ++pool.health(*index).active;
  }
  for (std::size_t i = 0; i < 1'000; ++i) CHECK(pool.health(i).active <= 25 + 1);
}
