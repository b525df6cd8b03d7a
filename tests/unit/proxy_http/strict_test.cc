#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "tests/unit/net/fake_dns.h"
#include "tests/unit/proxy_http/fixture.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("strict: what breaks the rules is answered, closed, and never reaches the origin") {
  HttpWorker proxy;
  Origin origin(ok("x"));
  struct Row {
    std::string text;
    int status;
    Reason reason;
  };
  const std::string line = "POST " + origin.url() + " HTTP/1.1\r\nHost: a\r\n";
  const Row rows[] = {
      {line + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, Reason::bad_request},
      {line + "X: a\nY: b\r\n\r\n", 400, Reason::bad_request},
      {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, Reason::bad_request},
      {"GET https://127.0.0.1/ HTTP/1.1\r\nHost: a\r\n\r\n", 501, Reason::unsupported_method},
      {"GET http://127.0.0.1:25/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 403,
       Reason::destination_denied},
      {"GET / HTTP/3.0\r\n\r\n", 505, Reason::unsupported_version},
      {line + "X: " + std::string(70'000, 'x') + "\r\n\r\n", 431, Reason::header_too_large},
      {line + "Transfer-Encoding: chunked\r\n\r\nzz\r\nGET / HTTP/1.1\r\n\r\n", 400, Reason::bad_request},
      {line + "Expect: tea\r\nContent-Length: 1\r\n\r\nx", 417, Reason::bad_request},
  };
  std::uint64_t number = 0;
  for (const Row& row : rows) {
    CAPTURE(row.text.substr(0, 200));
    Client client(proxy.port());
    const std::uint64_t before = count_of(proxy.after(number), row.reason);
    client.send(row.text);
    const std::string answer = client.receive_all();
    CHECK(answer.starts_with("HTTP/1.1 " + std::to_string(row.status)));
    CHECK(has(answer, "Connection: close\r\n"));
    CHECK_FALSE(client.was_reset());
    CHECK(count_of(proxy.after(++number), row.reason) == before + 1);
  }
  CHECK(origin.heads().empty());
}

TEST_CASE("strict: answers that must not pass are 502, what may be mended is") {
  HttpWorker proxy;
  for (const char* raw :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "SSH-2.0-x\r\n\r\n",
        "HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    CAPTURE(raw);
    Origin origin{std::string{raw}};
    const Answer answer = proxy.get(origin.url());
    CHECK(answer.status == 502);
    CHECK(has(answer.head, "Proxy-Status: arcus-test; error=http_protocol_error\r\n"));
  }
  std::string many;
  for (int i = 0; i < 17; ++i) many += "HTTP/1.1 102 Wait\r\n\r\n";
  Origin interims(many + ok("x"));
  CHECK(proxy.get(interims.url()).status == 502);
  Origin mended("HTTP/1.1 200 OK\nContent-Length : 5\nX: a\n b\nContent-Length: 5\n\nhello");
  CHECK(proxy.get(mended.url()).body == "hello");
}

TEST_CASE("strict: after a 502 for the origin's fault the client may go on") {
  HttpWorker proxy;
  Origin broken("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), fine(ok("fine"));
  Client client(proxy.port());
  for (int i = 0; i < 2; ++i) {
    client.send("GET " + broken.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
    const Answer refused = read_answer(client);
    CHECK(refused.status == 502);
    CHECK_FALSE(has(refused.head, "Connection: close"));
    client.send("GET " + fine.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(read_answer(client).body == "fine");
  }
  CHECK(count_of(proxy.after(4), Reason::upstream_protocol) == 2);
}

TEST_CASE("strict: a connection with bytes behind the answer is not used again") {
  HttpWorker proxy;
  Origin origin(ok("hello") + ok("evil"));
  for (int i = 0; i < 3; ++i) CHECK(proxy.get(origin.url()).body == "hello");
  CHECK(origin.connections() == 3);
}

TEST_CASE("strict: a body that breaks off reaches the client as a break") {
  HttpWorker proxy;
  for (const char* raw :
       {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nX-Close: now\r\n\r\nshort",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Close: now\r\n\r\n5\r\nhello\r\n"}) {
    CAPTURE(raw);
    Origin origin{std::string{raw}};
    Client client(proxy.port());
    client.send("GET " + origin.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_FALSE(has(client.receive_all(), "0\r\n\r\n\r\n"));
    CHECK(client.was_reset());
  }
  CHECK(count_of(proxy.after(2), Reason::upstream_closed) == 2);
}

TEST_CASE("strict: without a rule the loopback is closed, and the answer says how to open it") {
  HttpWorker proxy([](wire::ServerConfig& config) { config.rules.clear(); });
  Origin origin(ok("x"));
  const Answer answer = proxy.get(origin.url());
  CHECK(answer.status == 403);
  CHECK(has(answer.head, "error=destination_ip_prohibited"));
  CHECK(has(answer.body, "arcusctl acl add allow --to 127.0.0.0/8 -t acme"));
  CHECK(origin.connections() == 0);
}

TEST_CASE("strict: our own listener cannot be reached through us, whatever the rules say") {
  HttpWorker proxy;
  wire::ServerConfig bound = proxy.config();
  bound.listen_port = proxy.port();  // as the daemon tells it
  bound.generation = 2;
  CHECK(proxy.worker().put(bound).error.empty());
  proxy.worker().listen(bound.id);
  const Answer answer = proxy.get("http://127.0.0.1:" + std::to_string(proxy.port()) + "/");
  CHECK(answer.status == 403);
  CHECK(has(answer.head, "X-Arcus-Error: destination_denied"));
}

TEST_CASE("strict: rules about hosts and clients answer 403 per request") {
  HttpWorker proxy([](wire::ServerConfig& config) {
    config.rules.insert(config.rules.begin(), {.number = 1, .allow = false, .method = "DELETE"});
  });
  Origin origin(ok("x"));
  Client client(proxy.port());
  for (int i = 0; i < 2; ++i) {
    client.send("DELETE " + origin.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(read_answer(client).status == 403);
    client.send("GET " + origin.url() + " HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK(read_answer(client).status == 200);
  }
  CHECK(count_of(proxy.after(4), Reason::acl_denied) == 2);
}

/// A worker that may reach 127.0.0.1 alone of this host, and asks `dns` for names.
static HttpWorker& ask_names(HttpWorker& proxy, const FakeDns& dns) {
  proxy.worker().send(wire::FrameType::resolver,
                      to_json(wire::ResolverConfig{.resolv_conf = dns.resolv_conf()}));
  wire::ServerConfig again = proxy.config();
  again.generation = 2;
  CHECK(proxy.worker()
            .put(again)
            .error.empty());  // by the same way: when it is acknowledged, names are asked there
  return proxy;
}

static void only_first(wire::ServerConfig& config) { config.rules.at(0).destination = "127.0.0.1/32"; }

// threats: destination-rebinding
TEST_CASE("strict: a name that leads elsewhere with each look-up is judged by the address that is dialled") {
  const FakeDns dns({{"turns.test", {0x7f000001, 0x7f000002, 0x0a000001}}}, 0, true);
  HttpWorker proxy(only_first);
  ask_names(proxy, dns);
  Origin origin(ok("x"));
  const std::string url = "http://turns.test:" + std::to_string(origin.port()) + "/";
  const int expected[] = {200, 403, 403, 200};
  for (int i = 0; i < 4; ++i) {
    if (i > 0) std::this_thread::sleep_for(std::chrono::milliseconds{1100});  // answers are kept for a second
    CHECK(proxy.get(url).status == expected[i]);
    CHECK(dns.questions() == i + 1);  // none between the judgement and the dial
  }
  CHECK(origin.heads().size() == 2);
}

// threats: destination-rebinding
TEST_CASE("strict: of mixed answers only the addresses that are allowed are dialled") {
  const FakeDns dns(
      {{"mixed.test", {0x0a000001, 0x7f000002, 0x7f000001}}, {"closed.test", {0x0a000001, 0x7f000002}}});
  HttpWorker proxy(only_first);
  ask_names(proxy, dns);
  Origin origin(ok("x"));
  CHECK(proxy.get("http://mixed.test:" + std::to_string(origin.port()) + "/").status == 200);
  const Answer closed = proxy.get("http://closed.test:" + std::to_string(origin.port()) + "/");
  CHECK(closed.status == 403);
  CHECK(has(closed.head, "X-Arcus-Error: destination_denied"));
}
