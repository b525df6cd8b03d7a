#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "lib/upstream/waiting_line.h"
#include "tests/unit/upstream/pool.h"

using namespace arcus;
using namespace arcus::test;

namespace {

struct Line : WaitingLine {
  Place join_it(std::uint64_t ticket = 0) {
    return join([this](std::uint64_t called) { calls.push_back(called); }, ticket);
  }
  std::vector<std::uint64_t> calls;
};

}  // namespace

TEST_CASE("waiting line: called one by one, in the order of coming") {
  Line line;
  line.call_next();  // nobody
  const auto a = line.join_it(), b = line.join_it(), c = line.join_it();
  CHECK(a.is_first);
  CHECK_FALSE(b.is_first);
  CHECK_FALSE(c.is_first);
  line.call_next();
  line.call_next();
  CHECK(line.calls == std::vector{a.ticket, b.ticket});
  CHECK(line.leave(a.ticket));
  CHECK_FALSE(line.leave(c.ticket));  // had not been called
  line.call_next();
  CHECK(line.calls.size() == 2);
  CHECK_FALSE(line.leave(c.ticket));
}

TEST_CASE("waiting line: who comes back stands where it stood, and passes on to those behind it alone") {
  Line line;
  const auto a = line.join_it(), b = line.join_it();
  line.call_next();
  CHECK(line.leave(a.ticket));
  const auto again = line.join_it(a.ticket);
  CHECK(again.ticket == a.ticket);
  CHECK(again.is_first);
  line.call_next(a.ticket);
  CHECK(line.calls == std::vector{a.ticket, b.ticket});
  line.call_next(b.ticket);
  CHECK(line.calls.size() == 2);
  line.call_all();
  CHECK(line.calls == std::vector{a.ticket, b.ticket, a.ticket});
}

TEST_CASE("waiting line: nobody is first while someone called stands before it") {
  Line line;
  const auto a = line.join_it();
  line.call_next();
  CHECK_FALSE(line.join_it().is_first);
  line.leave(a.ticket);
}

TEST_CASE("waiting line: a unit given back calls one, a backend that goes down or comes up everybody") {
  Pool pool("round_robin", specs_of({1, 1}));
  std::vector<std::uint64_t> calls;
  const auto join = [&] { pool.set.line()->join([&](std::uint64_t ticket) { calls.push_back(ticket); }); };
  for (int i = 0; i < 3; ++i) join();
  { const BackendSlot slot(pool.set.all()[1]); }
  CHECK(calls.size() == 1);
  for (int i = 0; i < 3; ++i) pool.health(0).note_failure(pool.now);
  CHECK(calls.size() == 3);
  for (int i = 0; i < 2; ++i) join();
  pool.health(0).note_success(pool.now);
  CHECK(calls.size() == 5);
  const BackendSet next(specs_of({1, 1}), "round_robin", &pool.set);
  CHECK(next.line() == pool.set.line());
}

TEST_CASE("waiting line: of units freed while clients join, none is forgotten") {
  constexpr int clients = 20'000;
  WaitingLine line;
  std::atomic<int> units{2}, served{0};
  // Each takes a unit when one is there, else waits for its call; nobody may wait for ever.
  const auto client = [&] {
    for (int i = 0; i < clients; ++i) {
      std::atomic<bool> called{false};
      std::uint64_t ticket = 0;
      while (true) {
        int free = units.load();
        if (free > 0 && units.compare_exchange_strong(free, free - 1)) break;
        const auto place = line.join(
            [&](std::uint64_t) {
              called = true;
              called.notify_one();
            },
            ticket);
        ticket = place.ticket;
        const bool waits = !place.is_first || units.load() == 0;
        if (waits) called.wait(false);
        if (line.leave(ticket) && !waits) line.call_next();
        called = false;
      }
      ++served;
      units.fetch_add(1);
      line.call_next();
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(client);
  threads.clear();
  CHECK(served == 3 * clients);
}
