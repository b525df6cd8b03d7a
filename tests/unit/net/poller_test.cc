#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <chrono>
#include <thread>

#include "lib/base/log.h"
#include "tests/unit/net/loop.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

namespace {

struct Recorder final : PollHandler {
  void on_events(std::uint32_t events) override {
    seen |= events;
    ++calls;
    if (action) action();
  }
  std::uint32_t seen = 0;
  int calls = 0;
  std::function<void()> action;
};

struct Task final : Deferred {
  explicit Task(std::function<void()> its_work) : work(std::move(its_work)) {}
  void on_deferred() override { work(); }
  std::function<void()> work;
};

struct Flag final : Retired {
  explicit Flag(bool& its_gone) : gone(its_gone) {}
  ~Flag() override { gone = true; }
  bool& gone;
};

UniqueFd signalled() { return UniqueFd{::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)}; }

}  // namespace

TEST_CASE("poller: an event reaches its handler, another after rebind, none after forget") {
  Loop loop;
  const UniqueFd fd = signalled();
  Recorder first;
  Recorder second;
  REQUIRE(loop.poller.add(fd.get(), first, EPOLLIN));
  loop.turn();
  CHECK(first.calls == 1);
  CHECK(first.seen == EPOLLIN);
  loop.poller.rebind(fd.get(), second);
  loop.turn();
  CHECK(first.calls == 1);
  CHECK(second.calls == 1);
  loop.poller.forget(fd.get());
  loop.turn();
  CHECK(second.calls == 1);
}

TEST_CASE(
    "poller: an event for a descriptor closed earlier in the batch is lost, even when its number is reused") {
  Loop loop;
  UniqueFd one = signalled();
  UniqueFd other = signalled();
  Recorder a;
  Recorder b;
  Recorder reused;
  UniqueFd replacement;
  // Whoever comes first closes the other and opens a new descriptor, which gets its number.
  const auto close_and_reuse = [&](UniqueFd& victim) {
    const int number = victim.get();
    loop.poller.forget(number);
    victim.reset();
    replacement = UniqueFd{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    REQUIRE(replacement.get() == number);
    REQUIRE(loop.poller.add(number, reused, EPOLLIN));
  };
  a.action = [&] { close_and_reuse(other); };
  b.action = [&] { close_and_reuse(one); };
  REQUIRE(loop.poller.add(one.get(), a, EPOLLIN | EPOLLET));
  REQUIRE(loop.poller.add(other.get(), b, EPOLLIN | EPOLLET));
  loop.turn();
  CHECK(a.calls + b.calls == 1);
  CHECK(reused.calls == 0);
}

TEST_CASE(
    "poller: what is deferred runs once after the batch, what is destroyed does not, retired objects go "
    "last") {
  Loop loop;
  int runs = 0;
  bool gone = false;
  Task task([&] {
    ++runs;
    CHECK_FALSE(gone);
  });
  {
    Task dropped([&] { runs += 100; });
    loop.poller.defer(dropped);
  }
  loop.poller.defer(task);
  loop.poller.defer(task);
  loop.poller.retire(std::make_unique<Flag>(gone));
  CHECK(runs == 0);
  loop.poller.run_once(SteadyTime::max());  // must not block: something is queued
  CHECK(runs == 1);
  CHECK(gone);
}

TEST_CASE("poller: a handler that throws does not take the others' events away") {
  Loop loop;
  const UniqueFd one = signalled();
  const UniqueFd other = signalled();
  Recorder a;
  Recorder b;
  a.action = b.action = [] { throw std::runtime_error("on purpose"); };
  REQUIRE(loop.poller.add(one.get(), a, EPOLLIN | EPOLLET));
  REQUIRE(loop.poller.add(other.get(), b, EPOLLIN | EPOLLET));
  const UniqueFd null{::open("/dev/null", O_WRONLY | O_CLOEXEC)};
  set_log_fd(null.get());
  loop.turn();
  set_log_fd(2);
  CHECK(a.calls == 1);
  CHECK(b.calls == 1);
}

TEST_CASE("poller: a task that queues itself again does not starve the sockets") {
  Loop loop;
  int runs = 0;
  Task* self = nullptr;
  Task task([&] {
    ++runs;
    loop.poller.defer(*self);
  });
  self = &task;
  loop.poller.defer(task);
  loop.turn();
  CHECK(runs == 1);
  loop.turn();
  CHECK(runs == 2);
}

TEST_CASE("deadline: lists fire in order, never early; arming again moves, disarming and destroying remove") {
  Loop loop;
  struct Recording final : DeadlineHandler {
    explicit Recording(Loop& its_loop) : loop(its_loop) {}
    void on_deadline(Deadline&) override { fired_at = loop.poller.now(); }
    Loop& loop;
    std::optional<SteadyTime> fired_at;
  };
  Recording a(loop), b(loop), c(loop);
  Deadline one(a), two(b), three(c);
  const SteadyTime start = loop.poller.now();
  DeadlineList& brief = loop.deadlines.of(20ms);
  brief.arm(one);
  brief.arm(two);
  loop.deadlines.of(10ms).arm(three);
  CHECK(loop.deadlines.earliest() == start + 10ms + DeadlineList::margin(10ms));
  three.disarm();
  {
    Deadline temporary(c);
    brief.arm(temporary);
  }
  CHECK(&brief == &loop.deadlines.of(20ms));
  CHECK(loop.until([&] { return a.fired_at && b.fired_at; }));
  CHECK(*a.fired_at >= start + 20ms);
  CHECK_FALSE(c.fired_at);
  CHECK_FALSE(one.is_armed());
  CHECK(loop.deadlines.earliest() == SteadyTime::max());
}

TEST_CASE("deadline: what is armed late in a batch is not early") {
  CHECK(DeadlineList::margin(320ms) == 10ms);
  CHECK(DeadlineList::margin(640ms) == 20ms);
  CHECK(DeadlineList::margin(3'600'000ms) == 20ms);
  Loop loop;
  struct Clock final : DeadlineHandler {
    void on_deadline(Deadline&) override { at = std::chrono::steady_clock::now(); }
    SteadyTime at;
  };
  Clock clock;
  Deadline one(clock);
  SteadyTime armed;
  Task task([&] {  // others had their turn before it
    std::this_thread::sleep_for(9ms);
    armed = std::chrono::steady_clock::now();
    loop.deadlines.of(320ms).arm(one);
  });
  loop.poller.defer(task);
  CHECK(loop.until([&] { return clock.at != SteadyTime{}; }));
  CHECK(clock.at - armed >= 320ms);
}

TEST_CASE("deadline: a moved head leaves the others their time, and zero means never") {
  Loop loop;
  struct Counting final : DeadlineHandler {
    void on_deadline(Deadline&) override { ++fired; }
    int fired = 0;
  };
  Counting first, second;
  Deadline one(first), two(second);
  DeadlineList& list = loop.deadlines.of(30ms);
  list.arm(one);
  list.arm(two);
  loop.poller.run_once(loop.poller.now() + 10ms);
  list.arm(one);  // now behind the second
  CHECK(loop.until([&] { return second.fired == 1; }));
  CHECK(first.fired == 0);
  CHECK(loop.until([&] { return first.fired == 1; }));
  loop.deadlines.of(0ms).arm(one);
  CHECK_FALSE(one.is_armed());
}
