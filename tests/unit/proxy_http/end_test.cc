#include <doctest/doctest.h>
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "tests/unit/proxy_http/fixture.h"

using namespace arcus;
using namespace arcus::test;

static void short_timers(wire::ServerConfig& config) {
  config.header_timeout_ms = 150;
  config.keepalive_timeout_ms = 250;
  config.body_timeout_ms = 200;
  config.response_timeout_ms = 220;
}

TEST_CASE("end: header_timeout is 408, an idle client is closed without a word") {
  HttpWorker proxy(short_timers);
  Client slow(proxy.port());
  slow.send("GET http://127.0.0.1/ HTTP/1.1\r\nHo");
  CHECK(slow.receive_all().starts_with("HTTP/1.1 408 "));
  Client silent(proxy.port());
  CHECK(silent.receive_all().empty());
  CHECK_FALSE(silent.was_reset());
  const auto totals = proxy.after(1);
  CHECK(totals.total_requests == 1);
  CHECK(count_of(totals, Reason::header_timeout) == 1);
}

TEST_CASE("end: response_timeout is 504, a body that stops coming is 408") {
  HttpWorker proxy(short_timers);
  Server silent([](int fd) {
    char byte;
    while (::recv(fd, &byte, 1, 0) == 1) {
    }
  });
  const std::string url = "http://127.0.0.1:" + std::to_string(silent.port()) + "/";
  const Answer late = proxy.get(url);
  CHECK(late.status == 504);
  CHECK(has(late.head, "X-Arcus-Error: response_timeout"));
  const Answer stuck = proxy.ask("POST " + url + " HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  CHECK(stuck.status == 408);
  CHECK(has(stuck.head, "X-Arcus-Error: body_timeout"));
}

TEST_CASE("end: an answer that stops in the middle is reset") {
  HttpWorker proxy(short_timers);
  Server half([](int fd) {
    ::send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 42, MSG_NOSIGNAL);
    char byte;
    while (::recv(fd, &byte, 1, 0) == 1) {
    }
  });
  Client client(proxy.port());
  client.send("GET http://127.0.0.1:" + std::to_string(half.port()) + "/ HTTP/1.1\r\nHost: a\r\n\r\n");
  client.receive_all();
  CHECK(client.was_reset());
  CHECK(count_of(proxy.after(1), Reason::body_timeout) == 1);
}

TEST_CASE("end: over the limit the client gets 503 and when to come back") {
  HttpWorker proxy([](wire::ServerConfig& config) { config.max_connections = 1; });
  Origin origin(ok("x"));
  Client first(proxy.port());
  first.send("GET " + origin.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(read_answer(first).status == 200);
  const Answer refused = proxy.get(origin.url());
  CHECK(refused.status == 503);
  CHECK(has(refused.head, "Retry-After: 1\r\n"));
  CHECK(has(refused.head, "X-Arcus-Error: limit_server\r\n"));
  const auto totals = proxy.worker().counters([](const auto& t) { return t.refused_connections == 1; });
  CHECK(totals.refused_connections == 1);
}

TEST_CASE("end: draining answers close, and idle clients get a FIN") {
  HttpWorker proxy;
  std::atomic<bool> release{false};
  Origin origin([&](const std::string&, const std::string&) {
    release.wait(false);
    return ok("x");
  });
  Client idle(proxy.port()), busy(proxy.port());
  busy.send("GET " + origin.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
  while (origin.heads().empty()) std::this_thread::yield();
  proxy.worker().unlisten("s", 5000);
  CHECK(idle.receive_all().empty());
  CHECK_FALSE(idle.was_reset());
  release = true;
  release.notify_all();
  const Answer answer = read_answer(busy);
  CHECK(answer.status == 200);
  CHECK(has(answer.head, "Connection: close\r\n"));
  CHECK(busy.receive_all().empty());
  CHECK(proxy.worker().expect_event().kind == "drained");
}

TEST_CASE("end: a client that goes away ends its request, and the upstream's work") {
  HttpWorker proxy;
  std::atomic<bool> ended{false};
  Server silent([&](int fd) {
    char byte;
    while (::recv(fd, &byte, 1, 0) == 1) {
    }
    ended = true;
    ended.notify_all();
  });
  {
    Client client(proxy.port());
    client.send("POST http://127.0.0.1:" + std::to_string(silent.port()) +
                "/ HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    while (proxy.worker().counters([](const auto& t) { return t.bytes_in > 0; }).bytes_in == 0)
      std::this_thread::yield();
  }
  ended.wait(false);
  CHECK(count_of(proxy.after(1), Reason::client_closed) == 1);
}

TEST_CASE("end: early answers end the connection once they are through") {
  HttpWorker proxy;
  Server eager([](int fd) {
    char byte;
    std::string head;
    while (!head.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) head += byte;
    const std::string answer = "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno";
    ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    while (::recv(fd, &byte, 1, 0) == 1) {
    }
  });
  Client client(proxy.port());
  client.send("POST http://127.0.0.1:" + std::to_string(eager.port()) +
              "/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
  const Answer answer = read_answer(client);
  CHECK(answer.status == 413);
  CHECK(answer.body == "no");
  CHECK(has(answer.head, "Connection: close\r\n"));
  CHECK(client.receive_all().empty());
}
