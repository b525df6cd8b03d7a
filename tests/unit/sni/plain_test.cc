#include <doctest/doctest.h>

#include "tests/unit/proxy_http/fixture.h"
#include "tests/unit/sni/hellos.h"

using namespace arcus;
using namespace arcus::test;

namespace {

/// An sni server whose routes name origins of HTTP.
class PlainWorker {
 public:
  explicit PlainWorker(const std::function<void(wire::ServerConfig&)>& change) {
    wire::ResolverConfig names;
    names.hosts = "127.0.0.1 pass.test\n";
    worker.send(wire::FrameType::resolver, to_json(names));
    config = worker.tcp_config({});
    config.type = "sni";
    change(config);
    const wire::Ack ack = worker.put(config);
    REQUIRE(ack.error == "");
    port = worker.listen("s");
  }
  Answer ask(const std::string& text, bool has_body = true) {
    Client client(port);
    client.send(text);
    return read_answer(client, has_body);
  }
  std::string get(const std::string& host) { return "GET /x HTTP/1.1\r\nHost: " + host + "\r\n\r\n"; }

  TestWorker worker;
  wire::ServerConfig config;
  std::uint16_t port = 0;
};

}  // namespace

TEST_CASE("plain HTTP on an sni port: each request goes where the table sends its Host") {
  Origin one(ok("one")), two(ok("two")), rest(ok("rest"));
  PlainWorker plain([&](wire::ServerConfig& config) {
    config.routes = {
        {"a.test", one.authority()}, {"*.test", two.authority()}, {"no.test", "reject"}, {"*", "backends"}};
    config.backends = {{.id = "r", .host = "127.0.0.1", .port = rest.port()}};
  });
  Client client(plain.port);
  for (const auto& [host, body] :
       std::initializer_list<std::pair<std::string, std::string>>{{"a.test", "one"},
                                                                  {"B.Test:4443", "two"},
                                                                  {"x.org", "rest"},
                                                                  {"A.TEST.", "one"},
                                                                  {"10.1.1.1", "rest"}}) {
    CAPTURE(host);
    client.send(plain.get(host));
    const Answer answer = read_answer(client);
    CHECK(answer.status == 200);
    CHECK(answer.body == body);
  }
  client.send(plain.get("no.test"));
  CHECK(read_answer(client).status == 403);
  client.send("GET http://a.test/z HTTP/1.1\r\nHost: x.org\r\n\r\n");
  CHECK(read_answer(client).body == "one");
  client.send("CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
  CHECK(read_answer(client).status == 405);
  CHECK(has(one.heads().at(0), "GET /x HTTP/1.1\r\nHost: a.test\r\n"));
  client.close();
  const auto totals = plain.worker.counters([](const auto& t) { return t.closed_connections == 1; });
  CHECK(totals.total_connections == 1);
  CHECK(totals.total_requests == 8);
}

TEST_CASE("plain HTTP on an sni port: the bytes that told it apart are not lost, however they came") {
  Origin one(ok("one"));
  PlainWorker plain([&](wire::ServerConfig& config) { config.routes = {{"*", one.authority()}}; });
  const std::string request = plain.get("a.test") + plain.get("b.test");
  Client client(plain.port);
  for (const char c : request) client.send({&c, 1});
  CHECK(read_answer(client).body == "one");
  CHECK(read_answer(client).body == "one");
  client.close();
  const auto totals = plain.worker.counters([](const auto& t) { return t.closed_connections == 1; });
  CHECK(totals.bytes_in == request.size());
}

TEST_CASE("plain HTTP on an sni port: no route is 503, no Host has only `*`") {
  Origin one(ok("one"));
  PlainWorker plain([&](wire::ServerConfig& config) { config.routes = {{"a.test", one.authority()}}; });
  const Answer answer = plain.ask(plain.get("b.test"));
  CHECK(answer.status == 503);
  CHECK(has(answer.head, "X-Arcus-Error: no_route\r\n"));
  CHECK(plain.ask("GET / HTTP/1.0\r\n\r\n").status == 503);
  CHECK(plain.ask("SSH-2.0-client\r\n\r\n").status == 400);
}

TEST_CASE("plain HTTP on an sni port: passthrough is guarded, what the operator named is not") {
  Origin one(ok("one"));
  PlainWorker plain([&](wire::ServerConfig& config) {
    config.routes = {{"*.test", "passthrough"}, {"b.other", one.authority()}};
  });
  const std::string there = "pass.test:" + std::to_string(one.port());
  CHECK(plain.ask(plain.get("b.other")).body == "one");
  Answer answer = plain.ask(plain.get(there));
  CHECK(answer.status == 403);
  CHECK(has(answer.head, "X-Arcus-Error: destination_denied\r\n"));
  CHECK(plain.ask(plain.get("pass.test:25")).status == 403);
  CHECK(one.connections() == 1);

  plain.config.rules = {{.number = 1, .allow = true, .destination = "127.0.0.0/8"},
                        {.number = 2, .allow = false, .host = "no.test"}};
  plain.config.generation = 2;
  plain.config.listen_port = plain.port;
  REQUIRE(plain.worker.put(plain.config).error.empty());
  CHECK(plain.ask(plain.get(there)).body == "one");
  plain.worker.listen("s");
  CHECK(plain.ask(plain.get("pass.test:" + std::to_string(plain.port))).status == 403);
}

TEST_CASE("plain HTTP on an sni port: a rule about the name, and plain_http=false") {
  Origin one(ok("one"));
  PlainWorker plain([&](wire::ServerConfig& config) {
    config.routes = {{"*", one.authority()}};
    config.rules = {{.number = 2, .allow = false, .host = "no.test"}};
  });
  CHECK(plain.ask(plain.get("no.test")).status == 403);
  CHECK(plain.ask(plain.get("yes.test")).status == 200);
  Client kept(plain.port);
  kept.send(plain.get("yes.test"));
  CHECK(read_answer(kept).status == 200);
  plain.config.config["plain_http"] = "false";
  plain.config.generation = 2;
  REQUIRE(plain.worker.put(plain.config).error.empty());
  Client client(plain.port);
  client.send(plain.get("yes.test"));
  CHECK(client.receive_all().empty());
  client.close();
  kept.send(plain.get("no.test"));
  CHECK(read_answer(kept).status == 403);
  kept.send(plain.get("yes.test"));
  CHECK(read_answer(kept).status == 200);
  const auto totals =
      plain.worker.counters([](const auto& t) { return count_of(t, Reason::protocol_error) == 1; });
  CHECK(count_of(totals, Reason::protocol_error) == 1);
}
