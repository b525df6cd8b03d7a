#include <doctest/doctest.h>

#include "tests/unit/proxy_http/fixture.h"

using namespace arcus;
using namespace arcus::test;

static std::function<void(wire::ServerConfig&)> with_backends(std::vector<std::uint16_t> ports) {
  return [ports = std::move(ports)](wire::ServerConfig& config) {
    config.rules.clear();
    for (const std::uint16_t port : ports)
      config.backends.push_back({.id = std::to_string(port), .host = "127.0.0.1", .port = port});
  };
}

TEST_CASE("reverse: requests are shared out, Host stays, the client's address is told") {
  Origin one(ok("one")), two(ok("two"));
  HttpWorker proxy(with_backends({one.port(), two.port()}));
  int ones = 0;
  for (int i = 0; i < 8; ++i) {
    const Answer answer = proxy.ask("GET /x HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n");
    CHECK(answer.status == 200);
    ones += answer.body == "one" ? 1 : 0;
  }
  CHECK(ones == 4);
  CHECK(has(one.heads().at(0), "GET /x HTTP/1.1\r\nHost: shop.test\r\n"));
  CHECK(has(one.heads().at(0), "X-Forwarded-For: 127.0.0.1\r\n"));
  CHECK_FALSE(has(one.heads().at(0), "6.6.6.6"));
}

TEST_CASE("reverse: a backend gets a Host although the client of 1.0 sent none") {
  Origin backend(ok("x"));
  HttpWorker proxy([&](wire::ServerConfig& config) {
    config.backends = {{.id = "b", .host = "127.0.0.1", .port = backend.port()}};
  });
  CHECK(proxy.ask("GET /old HTTP/1.0\r\n\r\n").status == 200);
  CHECK(backend.heads().at(0).starts_with("GET /old HTTP/1.1\r\nHost: " + backend.authority() + "\r\n"));
}

TEST_CASE("reverse: it never forwards") {
  Origin mine(ok("mine")), other(ok("other"));
  HttpWorker proxy(with_backends({mine.port()}));
  CHECK(proxy.get(other.url("/z")).body == "mine");
  CHECK(has(mine.heads().at(0), "GET /z HTTP/1.1\r\nHost: " + other.authority() + "\r\n"));
  CHECK(other.connections() == 0);
  const Answer refused = proxy.ask("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test\r\n\r\n");
  CHECK(refused.status == 405);
  CHECK(has(refused.head, "Allow: "));
}

TEST_CASE("reverse: a backend that refuses is passed over, all down is 503") {
  Origin alive(ok("alive"));
  HttpWorker proxy(with_backends({refusing_port(), alive.port()}));
  for (int i = 0; i < 6; ++i)
    CHECK(proxy.ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").body == "alive");
  HttpWorker none(with_backends({refusing_port()}));
  for (int i = 0; i < 3; ++i) CHECK(none.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").status == 502);
  const Answer down = none.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(down.status == 503);
  CHECK(has(down.head, "X-Arcus-Error: no_backend"));
}
