#include <doctest/doctest.h>
#include <sys/socket.h>

#include <mutex>
#include <string>
#include <vector>

#include "tests/unit/proxy_http/fixture.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::string_literals;

namespace {

void add_parent(wire::ServerConfig& config, std::uint16_t port, std::string role = "parent_http",
                std::string user = {}) {
  config.backends.push_back({.id = "p" + std::to_string(port),
                             .host = "127.0.0.1",
                             .port = port,
                             .role = std::move(role),
                             .user_name = user,
                             .password = user.empty() ? "" : "secret"});
}

/// Names are looked up by the parent, so none of these exists.
constexpr const char* nowhere = "http://nowhere.test";

bool read_until(int fd, std::string& in, std::string_view end) {
  char byte = 0;
  while (!in.ends_with(end)) {
    if (::recv(fd, &byte, 1, 0) != 1) return false;
    in += byte;
  }
  return true;
}

bool read_bytes(int fd, std::string& in, std::size_t size) {
  in.assign(size, '\0');
  return ::recv(fd, in.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

void say(int fd, std::string_view bytes) { ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }

/// A parent that answers every CONNECT or socks5 request with what it was told, then echoes.
struct Tunneler {
  explicit Tunneler(std::string its_answer, bool socks = false)
      : answer(std::move(its_answer)),
        server([this, socks](int fd) { socks ? serve_socks(fd) : serve(fd); }) {}
  void serve(int fd) {
    std::string head;
    if (!read_until(fd, head, "\r\n\r\n")) return;
    finish(fd, head);
  }
  void serve_socks(int fd) {
    std::string greeting, request, rest;
    if (!read_bytes(fd, greeting, 3)) return;
    say(fd, "\x05\x00"s);
    if (!read_bytes(fd, request, 5)) return;
    const bool named = request[3] == 3;
    if (!read_bytes(fd, rest, named ? static_cast<std::size_t>(request[4]) + 2 : 5)) return;
    finish(fd, request + rest);
  }
  void finish(int fd, const std::string& request) {
    {
      const std::lock_guard lock(mutex);
      requests.push_back(request);
    }
    say(fd, answer);
    echo()(fd);
  }
  std::vector<std::string> seen() {
    const std::lock_guard lock(mutex);
    return requests;
  }
  std::mutex mutex;
  std::vector<std::string> requests;
  std::string answer;
  Server server;
};

const std::string socks_granted = "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"s;

}  // namespace

TEST_CASE("parent: requests go to it in absolute form, over one connection for all targets") {
  Origin parent(ok("from the parent"));
  HttpWorker web([&](auto& config) { add_parent(config, parent.port()); });
  Client client(web.port());
  for (const char* url :
       {"http://nowhere.test/a?b", "http://elsewhere.test:8080/", "http://[2600::1]:81/x"}) {
    client.send("GET "s + url + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const Answer answer = read_answer(client);
    CHECK(answer.status == 200);
    CHECK(answer.body == "from the parent");
  }
  client.send("OPTIONS http://nowhere.test HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(read_answer(client).status == 200);
  const auto heads = parent.heads();
  REQUIRE(heads.size() == 4);
  CHECK(heads[0].starts_with("GET http://nowhere.test/a?b HTTP/1.1\r\nHost: nowhere.test\r\n"));
  CHECK(heads[1].starts_with("GET http://elsewhere.test:8080/ HTTP/1.1\r\nHost: elsewhere.test:8080\r\n"));
  CHECK(heads[2].starts_with("GET http://[2600::1]:81/x HTTP/1.1\r\nHost: [2600::1]:81\r\n"));
  CHECK(heads[3].starts_with("OPTIONS http://nowhere.test HTTP/1.1\r\n"));
  for (const std::string& head : heads) CHECK_FALSE(has(head, "Proxy-Authorization"));
  CHECK(parent.connections() == 1);
}

TEST_CASE("parent: it gets our credentials, never the client's; bodies pass") {
  Origin parent([](const auto&, const auto& body) { return ok(body); });
  HttpWorker web([&](auto& config) { add_parent(config, parent.port(), "parent_http", "user"); });
  const Answer answer = web.ask("POST "s + nowhere +
                                "/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic eDp5\r\n"
                                "Content-Length: 5\r\n\r\nhello");
  CHECK(answer.body == "hello");
  const std::string head = parent.heads().at(0);
  CHECK(has(head, "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"));
  CHECK_FALSE(has(head, "eDp5"));
}

TEST_CASE("parent: its 407 is no business of the client's") {
  Origin parent("HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"p\"\r\nContent-Length: 0\r\n\r\n");
  HttpWorker web([&](auto& config) { add_parent(config, parent.port()); });
  const Answer answer = web.get(nowhere);
  CHECK(answer.status == 502);
  CHECK(has(answer.head, "X-Arcus-Error: upstream_protocol"));
  CHECK(has(answer.body, "the parent proxy wants credentials"));
  CHECK_FALSE(has(answer.head, "Proxy-Authenticate"));
}

TEST_CASE("parent: CONNECT goes through it, whichever kind it is") {
  for (const bool socks : {false, true}) {
    CAPTURE(socks);
    Tunneler parent(socks ? socks_granted : "HTTP/1.1 200 Fine\r\nX: y\r\n\r\n", socks);
    HttpWorker web([&](auto& config) {
      add_parent(config, parent.server.port(), socks ? "parent_socks5" : "parent_http");
    });
    Client client(web.port());
    client.send("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\nearly");
    const Answer answer = read_answer(client, false);
    CHECK(answer.status == 200);
    CHECK_FALSE(has(answer.head, "X: y"));
    CHECK(client.receive(5) == "early");
    client.send("late");
    CHECK(client.receive(4) == "late");
    CHECK(parent.seen().at(0) == (socks
                                      ? "\x05\x01\x00\x03\x0borigin.test\x01\xbb"s
                                      : "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n"));
  }
}

TEST_CASE("parent: what it says of the target is told on, and does not count against it") {
  Tunneler parent("HTTP/1.1 502 Nobody there\r\n\r\n");
  HttpWorker web([&](auto& config) { add_parent(config, parent.server.port()); });
  for (int i = 0; i < 5; ++i) {  // three failures of its own would take it down
    const Answer answer = web.ask("CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n\r\n");
    CHECK(answer.status == 502);
    CHECK(has(answer.head, "X-Arcus-Error: unreachable"));
    CHECK(has(answer.body, "the parent proxy answered 502"));
  }
  CHECK(parent.seen().size() == 5);
}

TEST_CASE("parent: requests through socks5 are as to an origin, and kept apart by target") {
  Tunneler parent(socks_granted + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true);
  HttpWorker web([&](auto& config) { add_parent(config, parent.server.port(), "parent_socks5"); });
  const Answer answer = web.get("http://one.test/a");
  CHECK(answer.status == 200);
  CHECK(answer.body == "ok");
  CHECK(web.get("http://two.test/b").status == 200);
  const auto seen = parent.seen();
  REQUIRE(seen.size() == 2);
  CHECK(has(seen[0], "one.test"));
  CHECK(has(seen[1], "two.test"));
}

TEST_CASE("parent: the next one is asked when one is down") {
  Origin parent(ok("second"));
  HttpWorker web([&](auto& config) {
    add_parent(config, refusing_port());
    add_parent(config, parent.port());
    config.lb = "failover";
  });
  for (int i = 0; i < 5; ++i) CHECK(web.get(nowhere).body == "second");
  CHECK(web.after(5).reasons.at(0) == 5);
}

TEST_CASE("parent: none left is told as the failure of the last") {
  HttpWorker web([&](auto& config) { add_parent(config, refusing_port()); });
  const Answer answer = web.get(nowhere);
  CHECK(answer.status == 502);
  CHECK(has(answer.head, "X-Arcus-Error: connect_refused"));
}

TEST_CASE("parent: rules about names hold, those about addresses are for literals only") {
  Origin parent(ok("yes"));
  HttpWorker web([&](auto& config) {
    add_parent(config, parent.port());
    config.rules = {{.number = 10, .allow = false, .destination = "8.8.8.0/24"},
                    {.number = 15, .allow = true, .destination = "10.1.0.0/16"},
                    {.number = 20, .allow = false, .host = "*.bad.test"}};
  });
  CHECK(web.get("http://fine.test/").status == 200);
  CHECK(web.get("http://very.bad.test/").status == 403);
  CHECK(web.get("http://8.8.8.8/").status == 403);
  CHECK(web.get("http://9.9.9.9/").status == 200);
  // An address that a client names is guarded as if we went there ourselves.
  CHECK(web.get("http://10.1.2.3/").status == 200);
  for (const char* inside :
       {"127.0.0.1", "10.2.2.3", "169.254.169.254", "[::1]", "[::ffff:10.2.2.3]", "[64:ff9b::7f00:1]"})
    CHECK(web.get("http://"s + inside + "/").status == 403);
  CHECK(web.ask("CONNECT very.bad.test:443 HTTP/1.1\r\nHost: very.bad.test:443\r\n\r\n").status == 403);
}

TEST_CASE("proxy header out: such connections are never shared, and each tells its client") {
  Origin backend(ok("x"));
  HttpWorker web([&](auto& config) {
    config.backends.push_back({.id = "b", .host = "127.0.0.1", .port = backend.port()});
    config.proxy_protocol_out = "v1";
  });
  Client client(web.port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(read_answer(client).status == 200);
  }
  CHECK(backend.connections() == 3);
  const std::string own = "PROXY TCP4 127.0.0.1 127.0.0.1 " + std::to_string(client.local_port()) + " " +
                          std::to_string(web.port()) + "\r\nGET / HTTP/1.1\r\n";
  for (const std::string& head : backend.heads()) CHECK(head.starts_with(own));
}
