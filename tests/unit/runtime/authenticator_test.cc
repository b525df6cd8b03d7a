#include "lib/runtime/authenticator.h"

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "lib/runtime/login.h"
#include "lib/runtime/loop_delay.h"

using namespace arcus;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

/// "geheim", in a millisecond.
constexpr const char* quick_hash = "$5$rounds=1000$saltsalt$TWdBOWiYhmVJkQgbrDSNb2rxBkKSiutz24Rm5ti0vID";

/// Collects answers in the order they come.
struct Answers {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::pair<std::string, Reason>> all;

  bool wait(std::size_t count) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, 20s, [&] { return all.size() >= count; });
  }
};

Authenticator::Job job(Answers& answers, std::string name, std::uint64_t source, std::string password,
                       std::string hash = quick_hash) {
  return {.source = source,
          .tenant_id = "t",
          .user = "bob",
          .hash = std::move(hash),
          .password = Secret(password),
          .done = [&answers, name = std::move(name)](Reason reason) {
            const std::lock_guard lock(answers.mutex);
            answers.all.emplace_back(name, reason);
            answers.changed.notify_all();
          }};
}

/// One thread that is busy for about 80 ms, so that what is submitted meanwhile has to queue.
void occupy(Authenticator& authenticator, Answers& answers) {
  REQUIRE(authenticator.submit(job(answers, "busy", 999, "x", "")) == Reason::ok);
  while (authenticator.checks() == 0) std::this_thread::yield();
}

}  // namespace

TEST_CASE("authenticator: right and wrong passwords; only what was right is remembered") {
  Authenticator authenticator;
  Answers answers;
  const Mac right = authenticator.mac("t", "bob", quick_hash, "geheim");
  const Mac wrong = authenticator.mac("t", "bob", quick_hash, "falsch");
  CHECK(right != wrong);
  auto good = job(answers, "good", 1, "geheim");
  good.mac = right;
  auto bad = job(answers, "bad", 1, "falsch");
  bad.mac = wrong;
  REQUIRE(authenticator.submit(std::move(good)) == Reason::ok);
  REQUIRE(authenticator.submit(std::move(bad)) == Reason::ok);
  REQUIRE(answers.wait(2));
  CHECK(answers.all[0] == std::pair<std::string, Reason>{"good", Reason::ok});
  CHECK(answers.all[1] == std::pair<std::string, Reason>{"bad", Reason::auth_failed});
  CHECK(authenticator.remembers(right));
  CHECK_FALSE(authenticator.remembers(wrong));
}

TEST_CASE("authenticator: nobody fits a user that is not there") {
  Authenticator authenticator;
  Answers answers;
  REQUIRE(authenticator.submit(job(answers, "none", 1, "", "")) == Reason::ok);
  REQUIRE(answers.wait(1));
  CHECK(answers.all[0].second == Reason::auth_failed);
}

TEST_CASE("authenticator: two wait per source, the third is refused, other sources are not") {
  Authenticator authenticator;
  Answers answers;
  occupy(authenticator, answers);
  CHECK(authenticator.submit(job(answers, "a1", 1, "x")) == Reason::ok);
  CHECK(authenticator.submit(job(answers, "a2", 1, "x")) == Reason::ok);
  CHECK(authenticator.submit(job(answers, "a3", 1, "x")) == Reason::rate_limited);
  CHECK(authenticator.submit(job(answers, "b1", 2, "x")) == Reason::ok);
  CHECK(answers.wait(4));
}

TEST_CASE("authenticator: what nobody waits for any more costs neither a place nor a check") {
  Authenticator authenticator;
  Answers answers;
  occupy(authenticator, answers);
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  for (const char* name : {"a1", "a2"}) {
    auto one = job(answers, name, 1, "x");
    one.gone = gone;
    REQUIRE(authenticator.submit(std::move(one)) == Reason::ok);
  }
  gone->store(true);
  CHECK(authenticator.submit(job(answers, "a3", 1, "geheim")) == Reason::ok);
  REQUIRE(answers.wait(2));
  CHECK(answers.all[1] == std::pair<std::string, Reason>{"a3", Reason::ok});
  CHECK(authenticator.checks() == 2);
}

TEST_CASE("authenticator: sources without failures go first, whoever came first") {
  Authenticator authenticator;
  Answers answers;
  REQUIRE(authenticator.submit(job(answers, "failed", 1, "x")) == Reason::ok);
  REQUIRE(answers.wait(1));
  REQUIRE(authenticator.submit(job(answers, "busy", 999, "x", "")) == Reason::ok);
  while (authenticator.checks() < 2) std::this_thread::yield();
  REQUIRE(authenticator.submit(job(answers, "guesser", 1, "y")) == Reason::ok);
  REQUIRE(authenticator.submit(job(answers, "guesser", 1, "z")) == Reason::ok);
  REQUIRE(authenticator.submit(job(answers, "newcomer", 2, "geheim")) == Reason::ok);
  REQUIRE(answers.wait(5));
  CHECK(answers.all[2].first == "newcomer");
}

TEST_CASE("authenticator: after ten failures the next check waits a second, for that source and user alone") {
  Authenticator authenticator;
  Answers answers;
  for (unsigned i = 0; i < Authenticator::free_failures; ++i) {
    REQUIRE(authenticator.submit(job(answers, "wrong", 1, "x")) == Reason::ok);
    REQUIRE(answers.wait(i + 1));
  }
  const auto start = steady_clock::now();
  REQUIRE(authenticator.submit(job(answers, "late", 1, "geheim")) == Reason::ok);
  REQUIRE(authenticator.submit(job(answers, "elsewhere", 2, "geheim")) == Reason::ok);
  REQUIRE(answers.wait(11));
  CHECK(answers.all[10].first == "elsewhere");
  CHECK(steady_clock::now() - start < 1s);
  REQUIRE(answers.wait(12));
  CHECK(steady_clock::now() - start >= 1s);
  CHECK(answers.all[11] == std::pair<std::string, Reason>{"late", Reason::ok});
  // What was right wipes the slate.
  const auto again = steady_clock::now();
  REQUIRE(authenticator.submit(job(answers, "again", 1, "x")) == Reason::ok);
  REQUIRE(answers.wait(13));
  CHECK(steady_clock::now() - again < 1s);
}

TEST_CASE("authenticator: stopping drops what waits and answers no more") {
  Answers answers;
  {
    Authenticator authenticator;
    occupy(authenticator, answers);
    REQUIRE(authenticator.submit(job(answers, "dropped", 1, "geheim")) == Reason::ok);
    authenticator.stop();
    CHECK(authenticator.submit(job(answers, "late", 1, "geheim")) == Reason::rate_limited);
  }
  CHECK(answers.all.size() == 1);
}

TEST_CASE("users: by name; who is disabled or gone is not admitted") {
  const std::vector<wire::UserConfig> rows{{"bob", quick_hash, true}, {"eve", quick_hash, false}};
  const UserTable users(rows);
  REQUIRE(users.find("bob") != nullptr);
  CHECK(users.find("bob")->hash == quick_hash);
  CHECK(users.find("Bob") == nullptr);
  CHECK(users.still_admits("bob") == Reason::ok);
  CHECK(users.still_admits("eve") == Reason::user_disabled);
  CHECK(users.still_admits("mallory") == Reason::auth_failed);
}

TEST_CASE("loop delay: the 99th percentile, at most a fifth too much") {
  LoopDelay delays;
  CHECK(delays.p99() == 0us);
  for (int i = 0; i < 990; ++i) delays.add(100us);
  for (int i = 0; i < 10; ++i) delays.add(50ms);
  CHECK(delays.p99() >= 100us);
  CHECK(delays.p99() <= 125us);
  delays.add(50ms);
  CHECK(delays.p99() >= 50ms);
  CHECK(delays.p99() <= 63ms);
  LoopDelay sums;
  delays.move_to(sums);
  CHECK(delays.p99() == 0us);
  CHECK(sums.p99() >= 50ms);
  delays.add(1h);
  CHECK(delays.p99() > 10s);
}
