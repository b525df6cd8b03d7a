#include <doctest/doctest.h>
#include <atomic>
#include <thread>

#include "tests/unit/proxy_http/fixture.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("http: what reaches the origin and what comes back, keep-alive on both sides") {
  HttpWorker proxy;
  Origin origin(
      ok("hello", "Connection: X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 5\r\nProxy-Authenticate: Basic\r\n"));
  Client client(proxy.port());
  for (int i = 0; i < 20; ++i) {
    client.send("GET " + origin.url("/a?b") +
                " HTTP/1.1\r\nHost: other\r\nConnection: X-Private\r\nX-Private: 1\r\nProxy-Connection: "
                "keep-alive\r\nX-Forwarded-For: 1.1.1.1\r\nAccept: */*\r\n\r\n");
    const Answer answer = read_answer(client);
    CHECK(answer.head == "HTTP/1.1 200 OK\r\nVia: 1.1 arcus-test-s\r\nContent-Length: 5\r\n\r\n");
    CHECK(answer.body == "hello");
  }
  CHECK(origin.connections() == 1);
  CHECK(origin.heads().at(19) == "GET /a?b HTTP/1.1\r\nHost: " + origin.authority() +
                                     "\r\nAccept: */*\r\nVia: 1.1 arcus-test-s\r\n\r\n");
  const auto totals = proxy.after(20);
  CHECK(totals.total_requests == 20);
  CHECK(totals.total_connections == 1);
  CHECK(totals.response_time_count == 20);
  CHECK(count_of(totals, Reason::ok) == 20);
  CHECK(totals.bytes_out == 20 * (61 + 5));
}

TEST_CASE("http: the pool serves other clients too") {
  HttpWorker proxy;
  Origin origin(ok("x"));
  for (int i = 0; i < 10; ++i) CHECK(proxy.get(origin.url()).status == 200);
  CHECK(origin.connections() == 1);
}

TEST_CASE("http: with pool_idle_per_host 0 every client gets a connection of its own") {
  HttpWorker proxy([](wire::ServerConfig& config) { config.config["pool_idle_per_host"] = "0"; });
  Origin origin(ok("x"));
  for (int i = 0; i < 3; ++i) CHECK(proxy.get(origin.url()).status == 200);
  CHECK(origin.connections() == 3);
}

TEST_CASE("http: pipelined requests are answered in order") {
  HttpWorker proxy;
  Origin origin(
      [](const std::string& head, const std::string&) { return ok(head.substr(4, head.find(' ', 4) - 4)); });
  Client client(proxy.port());
  std::string all;
  for (int i = 0; i < 40; ++i)
    all += "GET " + origin.url("/p" + std::to_string(i)) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  client.send(all);
  for (int i = 0; i < 40; ++i) CHECK(read_answer(client).body == "/p" + std::to_string(i));
}

TEST_CASE("http: bodies of every size pass both ways, byte for byte") {
  HttpWorker proxy;
  Origin origin([](const std::string&, const std::string& body) { return ok(body); });
  Client client(proxy.port());
  for (const std::size_t size : {0UL, 1UL, 1000UL, 65535UL, 65536UL, 65537UL, 200'000UL, 5'000'000UL}) {
    CAPTURE(size);
    std::string body(size, '\0');
    for (std::size_t i = 0; i < size; ++i) body[i] = static_cast<char>(i * 7 + i / 251);
    std::jthread sender([&] {
      client.send("POST " + origin.url() + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) +
                  "\r\n\r\n" + body);
    });
    const Answer answer = read_answer(client);
    CHECK(answer.status == 200);
    CHECK((answer.body == body));
  }
}

TEST_CASE("http: chunked both ways, trailers kept, 1.0 clients get it plain") {
  HttpWorker proxy;
  Origin origin([](const std::string&, const std::string&) -> std::string {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nX-Sum: 1\r\nHost: "
           "no\r\n\r\n";
  });
  Client client(proxy.port());
  for (int i = 0; i < 3; ++i) {
    client.send("POST " + origin.url() +
                " HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nab");
    client.send("c\r\n0\r\nX-T: 1\r\n\r\n");
    CHECK(read_answer(client).body == "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n");
    std::string body = origin.bodies().back();
    CHECK(has(body, "0\r\nX-T: 1\r\n\r\n"));
    CHECK_FALSE(has(body, "a=b"));
  }
  const Answer plain = proxy.ask("GET " + origin.url() + " HTTP/1.0\r\n\r\n");
  CHECK(plain.body == "hello");
  CHECK_FALSE(has(plain.head, "chunked"));
  CHECK(has(plain.head, "Connection: close"));
}

TEST_CASE("http: answers without a body keep the connection") {
  HttpWorker proxy;
  Origin origin([](const std::string& head, const std::string&) -> std::string {
    if (head.starts_with("HEAD")) return "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    return head.starts_with("GET /204") ? "HTTP/1.1 204 No\r\n\r\n"
                                        : "HTTP/1.1 304 No\r\nContent-Length: 9\r\n\r\n";
  });
  Client client(proxy.port());
  for (int i = 0; i < 2; ++i) {
    client.send("HEAD " + origin.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(has(read_answer(client, false).head, "Content-Length: 100"));
    client.send("GET " + origin.url("/204") + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(read_answer(client).status == 204);
    client.send("GET " + origin.url("/304") + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(has(read_answer(client).head, "Content-Length: 9"));
  }
  CHECK(origin.connections() == 1);
}

TEST_CASE("http: a body that ends with the connection, whole and long") {
  HttpWorker proxy;
  const std::string body(3'000'000, 'b');
  Origin origin("HTTP/1.0 200 OK\r\nX-Close: now\r\n\r\n" + body);
  const Answer answer = proxy.get(origin.url());
  CHECK(has(answer.head, "Connection: close"));
  CHECK((answer.body == body));
  CHECK(count_of(proxy.after(1), Reason::ok) == 1);
}

TEST_CASE("http: 100-continue and early hints are passed on, not to 1.0") {
  HttpWorker proxy;
  Origin origin([](const std::string& head, const std::string& body) {
    return "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + (head.starts_with("GET") ? ok("x") : ok(body));
  });
  Client client(proxy.port());
  client.send("POST " + origin.url() +
              " HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  CHECK(client.receive(48) == "HTTP/1.1 100 Continue\r\nVia: 1.1 arcus-test-s\r\n\r\n");
  client.send("abc");
  const Answer answer = read_answer(client);
  CHECK(answer.body == "abc");
  CHECK(has(answer.head, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n"));
  CHECK_FALSE(has(proxy.ask("GET " + origin.url() + " HTTP/1.0\r\n\r\n").head, "103"));
}

TEST_CASE("http: Max-Forwards counts down and ends here at 0") {
  HttpWorker proxy;
  Origin origin(ok("x"));
  CHECK(proxy.ask("OPTIONS " + origin.url() + " HTTP/1.1\r\nHost: a\r\nMax-Forwards: 3\r\n\r\n").status ==
        200);
  CHECK(has(origin.heads().back(), "Max-Forwards: 2\r\n"));
  CHECK(proxy.ask("OPTIONS " + origin.url() + " HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").status ==
        200);
  CHECK(proxy.ask("TRACE " + origin.url() + " HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").status == 405);
  CHECK(origin.heads().size() == 1);
  proxy.get(origin.url(), "Max-Forwards: 7\r\n");
  CHECK(has(origin.heads().back(), "Max-Forwards: 7\r\n"));
}

TEST_CASE("http: our own Via means a loop") {
  HttpWorker proxy;
  Origin origin(ok("x"));
  CHECK(proxy.get(origin.url(), "Via: 1.1 arcus-test-s\r\n").status == 508);
  CHECK(origin.connections() == 0);
  CHECK(count_of(proxy.after(1), Reason::loop_detected) == 1);
}

// threats: http-retry
TEST_CASE("http: a kept connection that died is replaced, a POST never takes one") {
  HttpWorker proxy;
  Origin origin(ok("x", "X-Close: now\r\n"));
  for (int i = 0; i < 10; ++i) CHECK(proxy.get(origin.url()).status == 200);
  Origin keeping(ok("x"));
  CHECK(proxy.get(keeping.url()).status == 200);
  CHECK(proxy.ask("POST " + keeping.url() + " HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").status ==
        200);
  CHECK(keeping.connections() == 2);
}

TEST_CASE("http: a GET is sent again once when its kept connection closes without an answer") {
  HttpWorker proxy;
  std::atomic<int> number{0};
  Origin origin(
      [&](const std::string&, const std::string&) { return ++number == 2 ? std::string{} : ok("x"); });
  CHECK(proxy.get(origin.url()).status == 200);
  CHECK(proxy.get(origin.url()).status == 200);
  CHECK(origin.heads().size() == 3);
  CHECK(origin.connections() == 2);
}

TEST_CASE("http: a connection that was logged in by NTLM or Negotiate stays with its client") {
  for (const bool asked : {true, false}) {
    CAPTURE(asked);
    HttpWorker proxy;
    Origin origin(ok("x", asked ? "" : "WWW-Authenticate: NTLM abc\r\n"));
    const std::string request = "POST " + origin.url() + " HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" +
                                (asked ? "Authorization: Negotiate abc\r\n" : "") + "\r\n";
    Client client(proxy.port());
    for (int i = 0; i < 3; ++i) {
      client.send(request);
      CHECK(read_answer(client).status == 200);
    }
    CHECK(origin.connections() == 1);
    CHECK(proxy.get(origin.url()).status == 200);
    CHECK(origin.connections() == 2);
    Origin other(ok("y"));
    client.send("GET " + other.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(read_answer(client).body == "y");
  }
}
