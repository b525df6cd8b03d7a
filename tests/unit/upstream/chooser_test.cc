#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "lib/upstream/balancer.h"
#include "tests/unit/upstream/pool.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

using Specs = std::vector<BackendSpec>;

/// A pool in a state that happens: any mixture of what keeps a backend from being picked.
static std::unique_ptr<Pool> random_pool(std::string_view algorithm, Random& random) {
  Specs specs = specs_of(std::vector<std::int64_t>(1 + random.below(random.below(8) == 0 ? 60 : 7)));
  // From hardly anyone missing to hardly anyone there.
  const std::uint64_t missing = 1 + random.below(12);
  const auto is_missing = [&] { return random.below(14) < missing; };
  for (BackendSpec& one : specs) {
    one.weight = static_cast<std::int64_t>(1 + random.below(random.below(2) == 0 ? 3 : 256));
    if (is_missing()) one.admin_state = random.below(2) == 0 ? AdminState::drain : AdminState::disabled;
    if (random.below(3) == 0) one.backup = true;
    if (is_missing()) one.max_connections = static_cast<std::int64_t>(1 + random.below(4));
  }
  auto made = std::make_unique<Pool>(algorithm, specs, random.next());
  Pool& pool = *made;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    pool.health(i).active = static_cast<std::int64_t>(random.below(6));
    if (random.below(4) == 0) pool.came_up(i, std::chrono::milliseconds{random.below(12'000)});
    if (is_missing()) pool.health(i).set_down(pool.now + (random.below(8) == 0 ? -1s : 1s));
    if (random.below(10) == 0) pool.tried.push_back(i);
  }
  return made;
}

/// Whom the rules allow, written down as plainly as possible.
struct Oracle {
  std::vector<bool> may_serve;
  Reason reason = Reason::no_backend;

  explicit Oracle(const Pool& pool, const std::vector<SteadyTime>& trials) {
    for (const bool backup : {false, true}) {
      may_serve.assign(pool.set.all().size(), false);
      for (std::size_t i = 0; i < may_serve.size(); ++i) {
        const Backend& one = pool.set.all()[i];
        if (one.spec.admin_state != AdminState::enabled || one.spec.backup != backup) continue;
        if (std::ranges::find(pool.tried, i) != pool.tried.end()) continue;
        const bool is_down = one.health->is_down();
        const bool is_full = one.spec.max_connections > 0 && one.health->active >= one.spec.max_connections;
        if (is_full && !is_down) reason = Reason::limit_backend;
        may_serve[i] = !is_full && (!is_down || pool.now >= trials[i]);
      }
      if (std::ranges::find(may_serve, true) == may_serve.end()) continue;
      reason = Reason::ok;
      return;
    }
  }
};

TEST_CASE(
    "chooser: in any state and by any algorithm only one who may serve, and nobody only when nobody may") {
  Random random(20);
  for (const Balancer& balancer : balancers()) {
    CAPTURE(balancer.name);
    int found = 0;
    for (int round = 0; round < many_picks / 50; ++round) {
      CAPTURE(round);
      const auto made = random_pool(balancer.name, random);
      Pool& pool = *made;
      const std::size_t count = pool.set.all().size();
      std::vector<SteadyTime> trials(count);
      for (std::size_t i = 0; i < count; ++i)
        trials[i] =
            pool.health(i).is_down() && !pool.health(i).may_try(pool.now) ? SteadyTime::max() : pool.now;
      // Asking took the trials that were due: they are set again.
      for (std::size_t i = 0; i < count; ++i)
        if (pool.health(i).is_down() && trials[i] == pool.now) pool.health(i).set_down(pool.now);
      for (int n = 0; n < 12; ++n) {
        const Oracle oracle(pool, trials);
        const auto index = pool.pick(random.next());
        REQUIRE(pool.reason == oracle.reason);
        REQUIRE(index.has_value() == (oracle.reason == Reason::ok));
        if (!index) break;
        REQUIRE(oracle.may_serve[*index]);
        ++found;
        if (pool.health(*index).is_down()) trials[*index] = SteadyTime::max();
        if (random.below(2) == 0) ++pool.health(*index).active;
        if (random.below(4) == 0) pool.tried.push_back(*index);
        const std::size_t other = random.below(count);
        if (random.below(4) == 0) pool.health(other).active = static_cast<std::int64_t>(random.below(6));
        if (random.below(8) == 0 && !pool.health(other).is_down()) {
          pool.health(other).set_down(pool.now + 1s);
          trials[other] = SteadyTime::max();
        }
      }
    }
    CHECK(found > many_picks / 100);
  }
}

TEST_CASE("chooser: one left among 1,000 is found, and nobody when that is lost too") {
  for (const Balancer& balancer : balancers()) {
    CAPTURE(balancer.name);
    Pool pool(balancer.name, std::vector<std::int64_t>(1'000, 3));
    for (std::size_t i = 0; i < 1'000; ++i)
      if (i != 617) pool.health(i).set_down(pool.now + 1h);
    for (std::uint32_t n = 0; n < 100; ++n) REQUIRE(pool.pick(nth_client(n)) == 617);
    pool.tried = {617};
    CHECK_FALSE(pool.pick());
    CHECK(pool.reason == Reason::no_backend);
  }
}

TEST_CASE("chooser: a backup serves while nobody else can, and not a moment longer") {
  for (const Balancer& balancer : balancers()) {
    CAPTURE(balancer.name);
    Specs specs = specs_of({1, 1, 5});
    specs[2].backup = true;
    Pool pool(balancer.name, specs);
    const auto before = pool.count(100);
    CHECK(before[0] + before[1] == 100);
    pool.health(0).set_down(pool.now + 1s);
    pool.health(1).set_down(pool.now + 1s);
    CHECK(pool.count(100) == std::vector<std::int64_t>{0, 0, 100});
    pool.health(1).note_success(pool.now);
    CHECK(pool.count(100) == std::vector<std::int64_t>{0, 100, 0});
  }
}

TEST_CASE("chooser: a backend that is down gets one client when its trial is due, by any algorithm") {
  for (const Balancer& balancer : balancers()) {
    CAPTURE(balancer.name);
    Pool pool(balancer.name, {1, 1, 1});
    pool.health(1).set_down(pool.now);
    CHECK(pool.pick() == 1);
    CHECK(pool.count(50)[1] == 0);
    pool.now += BackendHealth::retry;
    CHECK(pool.count(50)[1] == 1);
  }
}

TEST_CASE("chooser: in its slow start a backend gets its share of its weight") {
  for (const std::string name : {"least_connections", "random", "round_robin", "two_choices"})
    for (const bool hold : {false, true}) {
      CAPTURE(name);
      CAPTURE(hold);
      Pool pool(name, {4, 4, 2, 2});
      pool.came_up(0, 2'500ms);
      pool.came_up(3, 5s);
      REQUIRE(pool.health(0).share(pool.now) == 64);
      CHECK(chi_square(pool.count(many_picks, hold), {4 * 64, 4 * 256, 2 * 256, 2 * 128}) <
            chi_square_limit(3));
    }
}

TEST_CASE("chooser: when all are in their slow start the clients are shared all the same") {
  for (const std::string name : {"least_connections", "random", "round_robin", "two_choices"}) {
    CAPTURE(name);
    Pool pool(name, {1, 1, 1, 1});
    for (std::size_t i = 0; i < 4; ++i) pool.came_up(i, 40ms);
    REQUIRE(pool.health(0).share(pool.now) == 1);
    for (const std::int64_t seen : pool.count(10'000)) CHECK(seen > 2'200);
    pool.health(1).set_down(pool.now + 1s);
    pool.health(2).set_down(pool.now + 1s);
    pool.health(3).set_down(pool.now + 1s);
    CHECK(pool.count(100)[0] == 100);
  }
}

TEST_CASE("chooser: a reload that changes no backend goes on as before, and old sessions beside new ones") {
  const Specs specs = specs_of({3, 2, 1});
  const BackendSet before(specs, "round_robin");
  const BackendSet same(specs, "round_robin", &before);
  CHECK(&same.first_choice() == &before.first_choice());
  CHECK(&same.backups() == &before.backups());
  Specs more = specs_of({3, 2, 1, 6});
  const BackendSet other(more, "round_robin", &same);
  CHECK(&other.first_choice() != &same.first_choice());
  CHECK(BackendSet(specs, "random", &before).first_choice().aid == Aid::lots);

  BackendChooser chooser(9);
  std::vector<std::int64_t> old_seen(3);
  std::vector<std::int64_t> new_seen(4);
  Reason reason = Reason::ok;
  for (int i = 0; i < 60; ++i) {
    REQUIRE(chooser.pick(i % 2 == 0 ? before : same, {}, 0, SteadyTime{1h}, reason));
    ++old_seen[chooser.last_index()];
    REQUIRE(chooser.pick(other, {}, 0, SteadyTime{1h}, reason));
    ++new_seen[chooser.last_index()];
  }
  CHECK(old_seen == std::vector<std::int64_t>{30, 20, 10});
  CHECK(new_seen == std::vector<std::int64_t>{15, 10, 5, 30});
}

TEST_CASE("backend set: health follows the id and the address among 2,000") {
  Specs specs = specs_of(std::vector<std::int64_t>(2'000, 1));
  const BackendSet before(specs, "random");
  std::ranges::reverse(specs);
  specs[5].port = 99;
  const BackendSet after(specs, "random", &before);
  for (std::size_t i = 0; i < specs.size(); ++i)
    CHECK((after.all()[i].health == before.all()[specs.size() - 1 - i].health) == (i != 5));
}
