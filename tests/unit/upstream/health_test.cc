#include "lib/upstream/health.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace arcus;
using namespace std::chrono_literals;

TEST_CASE("health: of a limit no thread takes more than there is") {
  BackendHealth health;
  constexpr int most = 3, rounds = 20'000;
  std::atomic<int> held{0}, peak{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        if (!health.take(most)) continue;
        const int now = ++held;
        for (int seen = peak; now > seen && !peak.compare_exchange_weak(seen, now);) continue;
        --held;
        health.give_back();
      }
    });
  threads.clear();
  CHECK(peak <= most);
  CHECK(health.active == 0);
  for (int i = 0; i < most; ++i) CHECK(health.take(most));
  CHECK_FALSE(health.take(most));
  CHECK(health.take(0));
}

TEST_CASE("health: down after three failures in a row, then one trial each two seconds, up on success") {
  BackendHealth health;
  const SteadyTime now{1h};
  CHECK_FALSE(health.note_failure(now));
  CHECK(health.is_in_question());
  CHECK_FALSE(health.note_success(now));
  CHECK_FALSE(health.is_in_question());
  CHECK_FALSE(health.note_failure(now));
  CHECK_FALSE(health.note_failure(now));
  CHECK(health.note_failure(now));
  CHECK(health.is_down());
  CHECK_FALSE(health.note_failure(now));  // said once
  CHECK_FALSE(health.may_try(now + 1999ms));
  CHECK(health.may_try(now + 2s));
  CHECK_FALSE(health.may_try(now + 2s));
  CHECK(health.note_success(now));
  CHECK(health.may_try(now));
}

TEST_CASE("health: a checked backend takes no client as a trial, and rise successes in a row to come back") {
  BackendHealth health;
  health.set_terms({.fall = 2, .rise = 3, .slow_start = 0ms, .is_checked = true});
  const SteadyTime now{1h};
  CHECK_FALSE(health.note_failure(now));
  CHECK(health.note_failure(now));
  CHECK_FALSE(health.may_try(now + 1h));
  CHECK_FALSE(health.note_success(now));
  CHECK_FALSE(health.note_success(now));
  CHECK_FALSE(health.note_failure(now));
  CHECK_FALSE(health.note_success(now));
  CHECK_FALSE(health.note_success(now));
  CHECK(health.is_down());
  CHECK(health.note_success(now));
  CHECK_FALSE(health.is_down());
  CHECK(health.share(now) == BackendHealth::whole_share);
  CHECK(health.share(now - 1ms) == BackendHealth::whole_share);  // asked by a thread whose clock is behind
}

TEST_CASE("health: after it was down its share grows with time; a backend that never was has all of it") {
  BackendHealth health;
  health.set_terms({.slow_start = 10s});
  const SteadyTime now{1h};
  CHECK(health.share(now) == 256);
  for (int i = 0; i < 3; ++i) health.note_failure(now);
  CHECK(health.note_success(now));
  CHECK(health.share(now) == 1);
  CHECK(health.share(now + 2500ms) == 64);
  CHECK(health.share(now + 5s) == 128);
  CHECK(health.share(now + 10s) == 256);
  CHECK(health.share(now + 1h) == 256);
}
