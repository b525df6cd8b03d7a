#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/unit/proxy_http/fixture.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

namespace {

constexpr auto plain = "GET /x HTTP/1.1\r\nHost: shop.test\r\n\r\n";

/// Answers when it may.
struct SlowOrigin {
  Origin origin{[this](const std::string&, const std::string& body) {
    gate.wait(false);
    return ok("body:" + body);
  }};
  std::atomic<bool> gate{false};
  void open() {
    gate = true;
    gate.notify_all();
  }
};

std::function<void(wire::ServerConfig&)> one_at_a_time(std::uint16_t port, std::int64_t timeout_ms) {
  return [=](wire::ServerConfig& config) {
    config.rules.clear();
    config.connection_timeout_ms = timeout_ms;
    config.backends = {{.id = "b", .host = "127.0.0.1", .port = port, .max_connections = 1}};
  };
}

}  // namespace

TEST_CASE("queue: requests wait for the backend, bodies and what is pipelined with them") {
  SlowOrigin slow;
  HttpWorker proxy(one_at_a_time(slow.origin.port(), 10'000));
  Client one(proxy.port()), two(proxy.port()), three(proxy.port());
  one.send(plain);
  std::this_thread::sleep_for(50ms);
  two.send("POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + std::string(plain));
  std::this_thread::sleep_for(50ms);
  three.send("POST /three HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nsl");
  std::this_thread::sleep_for(50ms);
  CHECK(slow.origin.heads().size() == 1);
  three.send("ow");
  slow.open();
  CHECK(read_answer(one).status == 200);
  CHECK(read_answer(two).body == "body:hello");
  CHECK(read_answer(two).body == "body:");
  CHECK(read_answer(three).body == "body:slow");
  const auto heads = slow.origin.heads();
  REQUIRE(heads.size() == 4);
  CHECK(has(heads[1], "POST /two"));
  CHECK(has(heads[2], "POST /three"));
  const auto totals = proxy.after(4);
  CHECK(totals.reasons.at(0) == 4);
}

TEST_CASE("queue: who has waited for connection_timeout gets 503 limit_backend, and may ask again") {
  SlowOrigin slow;
  HttpWorker proxy(one_at_a_time(slow.origin.port(), 300));
  Client one(proxy.port()), two(proxy.port());
  one.send(plain);
  std::this_thread::sleep_for(50ms);
  const auto began = std::chrono::steady_clock::now();
  two.send(plain);
  const Answer refused = read_answer(two);
  CHECK(refused.status == 503);
  CHECK(has(refused.head, "X-Arcus-Error: limit_backend"));
  CHECK(has(refused.head, "Retry-After: 1"));
  const auto waited = std::chrono::steady_clock::now() - began;
  CHECK(waited >= 300ms);
  CHECK(waited < 1500ms);
  slow.open();
  CHECK(read_answer(one).status == 200);
  two.send(plain);
  CHECK(read_answer(two).status == 200);
}

TEST_CASE("queue: a request is admitted by the rate once, however long it waits") {
  SlowOrigin slow;
  HttpWorker proxy([&](wire::ServerConfig& config) {
    one_at_a_time(slow.origin.port(), 10'000)(config);
    config.requests_per_second = 2;
  });
  Client one(proxy.port()), two(proxy.port());
  one.send(plain);
  std::this_thread::sleep_for(50ms);
  two.send(plain);
  std::this_thread::sleep_for(100ms);
  slow.open();
  CHECK(read_answer(one).status == 200);
  CHECK(read_answer(two).status == 200);
}

TEST_CASE("queue: a rule that tightens while a request waits holds for it, and its turn is the next one's") {
  SlowOrigin slow;
  HttpWorker proxy(one_at_a_time(slow.origin.port(), 10'000));
  Client one(proxy.port()), two(proxy.port()), three(proxy.port());
  one.send(plain);
  std::this_thread::sleep_for(50ms);
  two.send("GET /denied HTTP/1.1\r\nHost: no.test\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  three.send(plain);
  std::this_thread::sleep_for(50ms);
  wire::ServerConfig config = proxy.config();
  ++config.generation;
  config.rules = {{.number = 10, .allow = false, .host = "no.test"}};
  CHECK(proxy.worker().put(config).error.empty());
  slow.open();
  CHECK(read_answer(one).status == 200);
  CHECK(read_answer(two).status == 403);
  CHECK(read_answer(three).status == 200);
}

TEST_CASE("queue: users who begin to be asked for while a request waits are asked for") {
  SlowOrigin slow;
  HttpWorker proxy(one_at_a_time(slow.origin.port(), 10'000));
  Client one(proxy.port()), two(proxy.port()), three(proxy.port());
  one.send(plain);
  std::this_thread::sleep_for(50ms);
  two.send(plain);
  std::this_thread::sleep_for(50ms);
  three.send("GET /x HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Basic Ym9iOmdlaGVpbQ==\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  proxy.worker().put_tenant(
      {.id = "t",
       .name = "acme",
       .users = {{.name = "bob",
                  .password_hash = "$5$rounds=1000$saltsalt$TWdBOWiYhmVJkQgbrDSNb2rxBkKSiutz24Rm5ti0vID"}}});
  wire::ServerConfig config = proxy.config();
  ++config.generation;
  config.auth = "basic";
  CHECK(proxy.worker().put(config).error.empty());
  slow.open();
  CHECK(read_answer(one).status == 200);
  CHECK(read_answer(two).status == 401);
  CHECK(read_answer(three).status == 200);
}

TEST_CASE("queue: through a parent proxy that is full") {
  SlowOrigin parent;
  HttpWorker proxy([&](wire::ServerConfig& config) {
    config.backends = {{.id = "p",
                        .host = "127.0.0.1",
                        .port = parent.origin.port(),
                        .max_connections = 1,
                        .role = "parent_http"}};
  });
  Client one(proxy.port()), two(proxy.port());
  one.send("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  two.send("GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n");
  std::this_thread::sleep_for(50ms);
  CHECK(parent.origin.heads().size() == 1);
  parent.open();
  CHECK(read_answer(one).status == 200);
  CHECK(read_answer(two).status == 200);
}
