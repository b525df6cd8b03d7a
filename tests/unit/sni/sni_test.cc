#include <doctest/doctest.h>
#include <sys/socket.h>

#include <chrono>

#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"
#include "tests/unit/sni/hellos.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::string_literals;

using Routes = std::vector<wire::RouteConfig>;

static std::string alert(int description, char minor = 3) {
  return "\x15\x03"s + minor + "\0\x02\x02"s + static_cast<char>(description);
}

namespace {

/// A worker with one sni server "s".
struct SniWorker {
  explicit SniWorker(Routes routes, std::vector<std::uint16_t> backends = {},
                     const std::function<void(wire::ServerConfig&)>& change = {}) {
    wire::ResolverConfig names;
    names.hosts = "127.0.0.1 pass.test\n";
    worker.send(wire::FrameType::resolver, to_json(names));
    config = worker.tcp_config(backends);
    config.type = "sni";
    config.routes = std::move(routes);
    if (change) change(config);
    ack = worker.put(config);
    if (ack.error.empty()) port = worker.listen("s");
  }

  wire::CounterTotals closed(std::uint64_t connections = 1) const {
    return worker.counters([=](const auto& t) { return t.closed_connections == connections; });
  }

  TestWorker worker;
  wire::ServerConfig config;
  wire::Ack ack;
  std::uint16_t port = 0;
};

}  // namespace

static std::string place(std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); }

TEST_CASE("sni: the name chooses the upstream, and it gets the hello byte for byte") {
  Server one(echo("one")), two(echo("two")), three(echo("three"));
  SniWorker sni({{"a.test", place(one.port())}, {"*.test", "backends"}, {"*", place(three.port())}},
                {two.port()});
  const std::string hello = record(hello_for("A.test."));
  for (const auto& [name, says] : std::initializer_list<std::pair<std::string, std::string>>{
           {"A.test.", "one"}, {"b.test", "two"}, {"c.other", "three"}, {"192.0.2.1", "three"}}) {
    CAPTURE(name);
    const std::string bytes = in_records(hello_for(name, 100), 3) + record("more", 23);
    Client client(sni.port);
    client.send(bytes);
    CHECK(client.receive(says.size() + bytes.size()) == says + bytes);
    client.send("and on");
    CHECK(client.receive(6) == "and on");
    client.shutdown_write();
    CHECK(client.receive_all().empty());
    CHECK_FALSE(client.was_reset());
  }
  const auto totals = sni.closed(4);
  CHECK(totals.total_requests == 4);
  CHECK(count_of(totals, Reason::ok) == 4);
  CHECK(totals.error_count == 0);
  CHECK(totals.bytes_in + 3 + 3 + 5 + 5 == totals.bytes_out);
}

TEST_CASE("sni: a hello in pieces, byte by byte and of 64 KiB, arrives whole and is counted exactly") {
  Server origin(echo());
  SniWorker sni({{"a.test", place(origin.port())}});
  std::uint64_t sent = 0, clients = 0;
  for (const auto& [size, records, piece] :
       {std::tuple{600, 1, 1}, {600, 20, 1}, {65'536, 20, 4'096}, {65'536, 5, 333}}) {
    CAPTURE(records);
    const std::string plain = hello_for("a.test");
    const std::string bytes = in_records(hello_for("a.test", static_cast<std::size_t>(size) - plain.size()),
                                         static_cast<std::size_t>(records));
    Client client(sni.port);
    for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(piece))
      client.send(std::string_view{bytes}.substr(at, static_cast<std::size_t>(piece)));
    CHECK((client.receive(bytes.size()) == bytes));
    sent += bytes.size();
    ++clients;
  }
  const auto totals = sni.closed(clients);
  CHECK(totals.bytes_in == sent);
  CHECK(totals.bytes_out == sent);
}

TEST_CASE("sni: no name, no route and rejected names get unrecognized_name, and nobody is dialled") {
  Server origin(echo());
  SniWorker sni({{"a.test", place(origin.port())}, {"*.bad.test", "reject"}});
  struct Row {
    std::string name;
    Reason reason;
  };
  std::uint64_t clients = 0, bytes = 0;
  for (const Row& row : {Row{"192.0.2.1", Reason::no_sni}, Row{"b.test", Reason::no_route},
                         Row{"x.bad.test", Reason::acl_denied}}) {
    CAPTURE(row.name);
    Client client(sni.port);
    const std::string hello = record(hello_for(row.name));
    client.send(hello);
    CHECK(client.receive_all() == alert(112));
    CHECK_FALSE(client.was_reset());
    client.close();
    bytes += hello.size();
    const auto totals = sni.closed(++clients);
    CHECK(count_of(totals, row.reason) == 1);
    CHECK(totals.refused_connections == clients);
    CHECK(totals.bytes_in == bytes);
    CHECK(totals.bytes_out == 7 * clients);
  }
  CHECK(origin.accepted() == 0);
}

TEST_CASE("sni: a broken hello gets the alert it earned, other bytes none") {
  Server origin(echo());
  SniWorker sni({{"*", place(origin.port())}});
  struct Row {
    std::string sent, answer;
  };
  std::uint64_t clients = 0;
  for (const Row& row :
       {Row{record(hello_for("a..b")), alert(47)}, Row{record(message(number(0x0302, 2))), alert(50, 2)},
        Row{record(message(hello_body(extension(0, "")))), alert(50)},
        Row{record(message(hello_body(""), 2)), alert(10, 1)}, Row{record("\1\2", 22, 0x0505), ""},
        Row{"\x80\x2e\x01\x03\x01", ""}, Row{"\x05\x01\x00"s, ""}, Row{"get / HTTP/1.1\r\n\r\n", ""},
        Row{"\0\0\0\0"s, ""}}) {
    CAPTURE(clients);
    Client client(sni.port);
    client.send(row.sent);
    CHECK(client.receive_all() == row.answer);
    client.close();
    const auto totals = sni.closed(++clients);
    CHECK(count_of(totals, Reason::protocol_error) == clients);
  }
  CHECK(origin.accepted() == 0);
}

TEST_CASE("sni: a hello longer than max_client_hello is refused") {
  Server origin(echo());
  SniWorker sni({{"*", place(origin.port())}}, {}, [](auto& s) { s.config["max_client_hello"] = "600"; });
  Client client(sni.port);
  client.send(record(hello_for("a.test", 700)));
  CHECK(client.receive_all() == alert(47, 1));
  CHECK(origin.accepted() == 0);
}

TEST_CASE("sni: a hello that does not come ends after handshake_timeout, in all") {
  Server origin(echo());
  SniWorker sni({{"*", place(origin.port())}}, {}, [](auto& s) { s.handshake_timeout_ms = 200; });
  Client silent(sni.port), slow(sni.port);
  const auto began = std::chrono::steady_clock::now();
  slow.send(record(hello_for("a.test")).substr(0, 50));
  CHECK(silent.receive_all().empty());
  CHECK(slow.receive_all().empty());
  CHECK(std::chrono::steady_clock::now() - began >= std::chrono::milliseconds(190));
  silent.close();
  slow.close();
  const auto totals = sni.closed(2);
  CHECK(count_of(totals, Reason::handshake_timeout) == 2);
  CHECK(totals.bytes_in == 50);
}

TEST_CASE("sni: passthrough goes to the name itself, if the destination guard lets it") {
  Server origin(echo());
  const auto through = [&](auto& s) {
    s.config["passthrough_port"] = std::to_string(origin.port());
    s.rules = {{.number = 1, .allow = true, .destination = "127.0.0.0/8"}};
  };
  const std::string hello = record(hello_for("pass.test"));
  {
    SniWorker sni({{"*.test", "passthrough"}, {"*", "passthrough"}}, {}, through);
    Client client(sni.port);
    client.send(hello);
    CHECK(client.receive(hello.size()) == hello);
    Client nameless(sni.port);
    nameless.send(record(hello_for("192.0.2.1")));
    CHECK(nameless.receive_all() == alert(112));
    nameless.close();
    CHECK(count_of(sni.closed(1), Reason::no_sni) == 1);
  }
  SniWorker guarded({{"*", "passthrough"}}, {}, [&](auto& s) {
    through(s);
    s.rules.clear();
  });
  Client client(guarded.port);
  client.send(hello);
  CHECK(client.receive_all() == alert(49));
  client.close();
  CHECK(count_of(guarded.closed(), Reason::destination_denied) == 1);
  CHECK(origin.accepted() == 1);
}

TEST_CASE("sni: passthrough never comes back to ourselves") {
  SniWorker sni({{"*", "passthrough"}}, {},
                [](auto& s) { s.rules = {{.number = 1, .allow = true, .destination = "127.0.0.0/8"}}; });
  sni.config.listen_port = sni.port;
  sni.config.config["passthrough_port"] = std::to_string(sni.port);
  sni.config.generation = 2;
  REQUIRE(sni.worker.put(sni.config).error.empty());
  sni.worker.listen("s");
  Client client(sni.port);
  client.send(record(hello_for("pass.test")));
  CHECK(client.receive_all() == alert(49));
  client.close();
  CHECK(count_of(sni.closed(), Reason::destination_denied) == 1);
}

TEST_CASE("sni: rules judge the name; when they tighten, what they forbid ends") {
  Server origin(echo());
  SniWorker sni({{"*", place(origin.port())}}, {},
                [](auto& s) { s.rules = {{.number = 1, .allow = false, .host = "*.evil.test"}}; });
  Client denied(sni.port), kept(sni.port), dropped(sni.port);
  denied.send(record(hello_for("a.evil.test")));
  CHECK(denied.receive_all() == alert(49));
  for (const auto& [client, name] : {std::pair{&kept, "a.test"}, {&dropped, "b.test"}}) {
    const std::string hello = record(hello_for(name));
    client->send(hello);
    CHECK(client->receive(hello.size()) == hello);
  }
  sni.config.rules.push_back({.number = 2, .allow = false, .host = "b.test"});
  sni.config.generation = 2;
  REQUIRE(sni.worker.put(sni.config).error.empty());
  CHECK(dropped.receive_all().empty());
  kept.send("x");
  CHECK(kept.receive(1) == "x");
  denied.close();
  dropped.close();
  CHECK(count_of(sni.closed(2), Reason::acl_denied) == 2);
}

TEST_CASE("sni: a backend that refuses is passed over; when all do, the client is reset") {
  Server origin(echo());
  {
    SniWorker sni({}, {refusing_port(), origin.port()});
    for (int i = 0; i < 4; ++i) {
      const std::string hello = record(hello_for("a.test"));
      Client client(sni.port);
      client.send(hello);
      CHECK(client.receive(hello.size()) == hello);
    }
  }
  SniWorker sni({{"a.test", place(refusing_port())}, {"*", "backends"}}, {refusing_port(), refusing_port()});
  for (const char* name : {"a.test", "b.test"}) {
    Client client(sni.port);
    client.send(record(hello_for(name)));
    CHECK(client.receive_all().empty());
    CHECK(client.was_reset());
  }
  CHECK(count_of(sni.closed(2), Reason::connect_refused) == 2);
}

TEST_CASE("sni: a client that goes before its hello is whole is recorded") {
  SniWorker sni(Routes{{"*", "reject"}});
  {
    Client silent(sni.port), half(sni.port);
    half.send(record(hello_for("a.test")).substr(0, 100));
  }
  const auto totals = sni.closed(2);
  CHECK(count_of(totals, Reason::client_closed) == 2);
  CHECK(totals.refused_connections == 2);
  CHECK(totals.bytes_in == 100);
}

TEST_CASE("sni: draining ends clients that have said nothing, and lets the others finish") {
  Server origin(echo());
  SniWorker sni({{"*", place(origin.port())}});
  Client silent(sni.port), half(sni.port), open(sni.port);
  const std::string hello = record(hello_for("a.test"));
  open.send(hello);
  CHECK(open.receive(hello.size()) == hello);
  half.send(hello.substr(0, 20));
  sni.worker.counters([](const auto& t) { return t.total_connections == 3; });
  sni.worker.unlisten("s", 5'000);
  CHECK(silent.receive_all().empty());
  half.send(hello.substr(20));
  CHECK(half.receive(hello.size()) == hello);
  open.send("x");
  CHECK(open.receive(1) == "x");
  silent.close();
  half.close();
  open.close();
  CHECK(sni.worker.expect_event().kind == "drained");
  CHECK(count_of(sni.closed(3), Reason::draining) == 1);
}

TEST_CASE("sni: a server with nowhere to go, or a route that cannot be read, is refused") {
  CHECK(SniWorker(Routes{}).ack.error.find("an sni server needs a route or a backend") != std::string::npos);
  CHECK(SniWorker(Routes{{"a.test", "nowhere"}}).ack.error.find("'nowhere' is no target") !=
        std::string::npos);
}
