#include <doctest/doctest.h>

#include <fcntl.h>

#include <string>

#include "lib/net/proxy_header.h"
#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"
#include "tests/unit/tls/rig.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

const Endpoint told{*IpAddress::parse("10.1.2.3"), 1234};
const Endpoint reached{*IpAddress::parse("10.9.9.9"), 80};
const std::string v1 = "PROXY TCP4 10.1.2.3 10.9.9.9 1234 80\r\n";

/// A worker whose tcp server wants the header and passes it on, so that the backend echoes whom it got.
struct Rig {
  explicit Rig(const std::function<void(wire::ServerConfig&)>& change = {}) {
    config = worker.tcp_config({backend.port()});
    config.proxy_protocol_in = "any";
    config.proxy_protocol_from = "192.0.2.0/24, 127.0.0.0/8";
    config.proxy_protocol_out = "v1";
    if (change) change(config);
    if (const wire::Ack ack = worker.put(config); !ack.error.empty()) throw std::runtime_error(ack.error);
    port = worker.listen(config.id);
  }
  /// How many connections ended for `reason`, once one did.
  std::uint64_t ended(Reason reason) {
    const auto at = static_cast<std::size_t>(reason);
    return worker.counters([=](const auto& totals) { return totals.reasons.at(at) > 0; }).reasons.at(at);
  }
  TestWorker worker;
  Server backend{echo()};
  wire::ServerConfig config;
  std::uint16_t port = 0;
};

}  // namespace

TEST_CASE("preamble: whom the header names is the client, and its bytes begin behind it") {
  Rig rig;
  for (const std::string& header : {v1, write_proxy_header(2, told, reached)}) {
    Client client(rig.port);
    client.send(header + "hello");
    CHECK(client.receive(v1.size() + 5) == v1 + "hello");
    client.shutdown_write();
    CHECK(client.receive_all().empty());
    CHECK_FALSE(client.was_reset());
  }
  const auto totals = rig.worker.counters([](const auto& t) { return t.closed_connections == 2; });
  CHECK(totals.bytes_in == 10);  // the header is no traffic of the client
  CHECK(totals.reasons.at(0) == 2);
}

TEST_CASE("preamble: a header in pieces is waited for") {
  Rig rig;
  for (const std::string& header : {v1, write_proxy_header(2, told, reached)}) {
    Client client(rig.port);
    for (const char byte : header + "x") {
      client.send({&byte, 1});
      ::usleep(300);
    }
    CHECK(client.receive(v1.size() + 1) == v1 + "x");
  }
}

TEST_CASE("preamble: LOCAL and UNKNOWN keep the connection's own address") {
  Rig rig;
  for (const std::string& header : {"PROXY UNKNOWN\r\n"s, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"s}) {
    Client client(rig.port);
    client.send(header + "x");
    const std::string own = "PROXY TCP4 127.0.0.1 127.0.0.1 " + std::to_string(client.local_port()) + " " +
                            std::to_string(rig.port) + "\r\nx";
    CHECK(client.receive(own.size()) == own);
  }
}

TEST_CASE("preamble: only those who may send the header are let in") {
  Rig rig([](auto& config) { config.proxy_protocol_from = "10.0.0.0/8"; });
  Client client(rig.port);
  CHECK(client.receive_all().empty());
  CHECK(rig.ended(Reason::acl_denied) == 1);
  CHECK(rig.backend.accepted() == 0);
}

TEST_CASE("preamble: anything but the header that was agreed on ends the connection") {
  struct Row {
    const char* what;
    std::string in, bytes;
  };
  const Row rows[] = {{"none", "any", "GET / HTTP/1.1\r\n\r\n"},
                      {"v2 for v1", "v1", write_proxy_header(2, told, reached)},
                      {"v1 for v2", "v2", v1},
                      {"oversized", "any", "\r\n\r\n\0\r\nQUIT\n\x21\x11\x10\x00"s},
                      {"v1 without an end", "any", "PROXY UNKNOWN " + std::string(200, 'x')}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Rig rig([&](auto& config) { config.proxy_protocol_in = row.in; });
    Client client(rig.port);
    client.send(row.bytes);
    CHECK(client.receive_all().empty());
    CHECK(rig.ended(Reason::protocol_error) == 1);
    CHECK(rig.backend.accepted() == 0);
  }
}

TEST_CASE("preamble: a header that does not end is given up in handshake_timeout, or when its sender is") {
  Rig rig([](auto& config) { config.handshake_timeout_ms = 80; });
  Client slow(rig.port);
  slow.send(v1.substr(0, 20));
  CHECK(slow.receive_all().empty());
  CHECK(rig.ended(Reason::handshake_timeout) == 1);
  Client gone(rig.port);
  gone.send(v1.substr(0, 20));
  gone.shutdown_write();
  CHECK(gone.receive_all().empty());
  CHECK(rig.ended(Reason::client_closed) == 1);
  Client silent(rig.port);
  silent.shutdown_write();
  CHECK(silent.receive_all().empty());
  CHECK(rig.backend.accepted() == 0);
}

TEST_CASE("preamble: limits and rules are about whom the header names") {
  Rig rig([](auto& config) {
    config.max_connections_per_client = 1;
    config.rules = {{.number = 10, .allow = false, .client = "10.66.0.0/16"}};
  });
  Client one(rig.port);
  one.send(v1 + "a");
  CHECK(one.receive(v1.size() + 1) == v1 + "a");
  Client other(rig.port);
  const std::string another = "PROXY TCP4 10.1.2.4 10.9.9.9 1234 80\r\n";
  other.send(another + "b");
  CHECK(other.receive(another.size() + 1) == another + "b");
  Client again(rig.port);
  again.send(v1 + "c");
  CHECK(again.receive_all().empty());
  CHECK(rig.ended(Reason::limit_client) == 1);
  Client barred(rig.port);
  barred.send("PROXY TCP4 10.66.2.3 10.9.9.9 1234 80\r\n");
  CHECK(barred.receive_all().empty());
  CHECK(rig.ended(Reason::acl_denied) == 1);
  one.close();
  rig.worker.counters([](const auto& t) { return t.closed_connections == 3; });
  Client later(rig.port);
  later.send(v1 + "d");
  CHECK(later.receive(v1.size() + 1) == v1 + "d");
}

TEST_CASE("preamble: a drain waits for it, a kill ends it, a reload reaches it") {
  Rig rig;
  Client client(rig.port);
  client.send(v1.substr(0, 10));
  rig.worker.counters([](const auto& t) { return t.total_connections == 1; });
  Server second(echo("new"));
  wire::ServerConfig next = rig.worker.tcp_config({second.port()});
  CHECK(rig.worker.put(next).error.empty());  // plain from now on, for new connections
  rig.worker.unlisten("s", 10'000);
  client.send(v1.substr(10) + "x");
  CHECK(client.receive(4) == "newx");
  client.close();
  CHECK(rig.worker.expect_event().kind == "drained");

  rig.worker.put(rig.config);
  rig.worker.listen("s");
  Client killed(rig.port);
  killed.send(v1.substr(0, 10));
  rig.worker.counters([](const auto& t) { return t.total_connections == 2; });
  rig.worker.unlisten("s", 0);
  CHECK(killed.receive_all().empty());
  CHECK(rig.worker.expect_event().kind == "drained");
}

TEST_CASE("preamble: a drain that began in it ends with the session, in time") {
  Rig rig;
  Client client(rig.port);
  client.send(v1.substr(0, 10));
  rig.worker.counters([](const auto& t) { return t.total_connections == 1; });
  rig.worker.unlisten("s", 1'000);
  client.send(v1.substr(10) + "x");
  CHECK(client.receive(v1.size() + 1) == v1 + "x");
  CHECK(
      client.receive_all().empty());  // the limit of the drain, which would pass by a session begun after it
  CHECK(rig.worker.expect_event().kind == "drained");
}

TEST_CASE("preamble: a snapshot with settings that do not work is refused") {
  TestWorker worker;
  const auto error_of = [&](const std::function<void(wire::ServerConfig&)>& spoil) {
    wire::ServerConfig config = worker.tcp_config({1});
    spoil(config);
    return worker.put(config).error;
  };
  CHECK_FALSE(error_of([](auto& c) { c.proxy_protocol_in = "v3"; }).empty());
  CHECK_FALSE(error_of([](auto& c) { c.proxy_protocol_in = "v1"; }).empty());
  CHECK_FALSE(error_of([](auto& c) {
                c.proxy_protocol_in = "v1";
                c.proxy_protocol_from = "everybody";
              }).empty());
  CHECK_FALSE(error_of([](auto& c) { c.proxy_protocol_out = "any"; }).empty());
  CHECK_FALSE(error_of([](auto& c) { c.tls.enabled = true; }).empty());
  CHECK_FALSE(
      error_of([](auto& c) { c.backends[0].tls_verify = "maybe", c.backends[0].tls = true; }).empty());
}

namespace {

/// A server that ends TLS and relays what is inside.
void speak_tls(wire::ServerConfig& config) {
  config.type = "tls";
  config.proxy_protocol_in = config.proxy_protocol_out = "off";
  config.tls = {.enabled = true, .certificates = {{"test", certificate().cert_pem, certificate().key_pem}}};
}

UniqueFd connect_to(std::uint16_t port) { return socket::connect(local(port), std::nullopt); }

}  // namespace

TEST_CASE("preamble: TLS ends here, behind a PROXY header or not") {
  for (const bool with_header : {false, true}) {
    CAPTURE(with_header);
    Rig rig([&](auto& config) {
      speak_tls(config);
      if (with_header) config.proxy_protocol_in = "v1";
    });
    Loop loop;
    const ClientTls tls(careless_client());
    UniqueFd socket = connect_to(rig.port);
    if (with_header) socket::send(socket.get(), v1);
    End client(loop, std::move(socket), tls.connect());
    client.send("hello");
    CHECK(loop.until([&] { return client.received == "hello" || client.broken; }));
    client.shut();
    CHECK(loop.until([&] { return client.ended || client.broken; }));
    CHECK(client.ended);
    const auto totals = rig.worker.counters([](const auto& t) { return t.closed_connections == 1; });
    CHECK(totals.bytes_in == 5);
    CHECK(totals.reasons.at(0) == 1);
  }
}

TEST_CASE("preamble: a handshake that fails, stalls or is over the limit never reaches the backend") {
  Rig rig([](auto& config) {
    speak_tls(config);
    config.handshake_timeout_ms = 150;
    config.max_connections = 1;
  });
  {
    Client plain(rig.port);
    plain.send("GET / HTTP/1.1\r\n\r\n");
    plain.receive_all();  // an alert
    CHECK(rig.ended(Reason::tls_failed) == 1);
  }
  rig.worker.counters([](const auto& t) { return t.closed_connections == 1; });
  Client slow(rig.port);
  rig.worker.counters([](const auto& t) { return t.total_connections == 2; });
  Client refused(rig.port);
  CHECK(refused.receive_all().empty());
  CHECK(refused.was_reset());
  CHECK(rig.ended(Reason::limit_server) == 1);
  slow.send("\x16\x03\x01");
  CHECK(slow.receive_all().empty());
  CHECK(rig.ended(Reason::handshake_timeout) == 1);
  CHECK(rig.backend.accepted() == 0);
}

TEST_CASE("preamble: the daemon's probe needs no header, and shakes hands where clients do") {
  for (const bool tls : {false, true}) {
    CAPTURE(tls);
    Rig rig([&](auto& config) {
      if (tls) speak_tls(config);
      config.proxy_protocol_in = "v2";
    });
    std::uint16_t source = 0;
    { const UniqueFd free = listen_anywhere(source); }
    rig.worker.send(wire::FrameType::probe,
                    to_json(wire::ProbeFrame{.seq = 9, .server_id = "s", .source_port = source}));
    CHECK(rig.worker.expect_ack().seq == 9);
    Loop loop;
    const ClientTls client_tls(careless_client());
    UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_storage storage;
    socklen_t size = local(source).to(storage);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0);
    size = local(rig.port).to(storage);
    REQUIRE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0);
    ::fcntl(socket.get(), F_SETFL, O_NONBLOCK);
    End probe(loop, std::move(socket), tls ? client_tls.connect() : nullptr);
    CHECK(loop.until([&] { return probe.ended || probe.broken; }));
    CHECK(probe.ended);
    const auto totals = rig.worker.counters([](const auto&) { return true; });
    CHECK(totals.total_connections == 0);
    CHECK(rig.backend.accepted() == 0);
  }
}
