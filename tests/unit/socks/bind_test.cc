#include <doctest/doctest.h>
#include <sys/socket.h>

#include <string>

#include "tests/unit/socks/fixture.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::string_literals;

static void with_bind(wire::ServerConfig& config) { config.config["commands"] = "connect,bind"; }

TEST_CASE("bind: two replies, then bytes both ways with the peer that was named") {
  SocksWorker proxy(with_bind);
  Client client(proxy.port());
  const Reply first = ask(client, request5("127.0.0.1", 21, 2) + "early");
  CHECK(first.code == 0);
  CHECK(first.bound.address.to_string() == "127.0.0.1");
  Client peer(first.bound.port);
  const Reply second = read_reply(client);
  CHECK(second.code == 0);
  CHECK(second.bound.address.to_string() == "127.0.0.1");
  CHECK(second.bound.port == peer.local_port());
  CHECK(peer.receive(5) == "early");
  peer.send("hello");
  CHECK(client.receive(5) == "hello");
  client.shutdown_write();
  CHECK(peer.receive_all().empty());
  peer.close();
  CHECK(client.receive_all().empty());
  const auto totals = proxy.after(1);
  CHECK(count_of(totals, Reason::ok) == 1);
  CHECK(totals.bytes_in == 3 + 10 + 5);
  CHECK(totals.bytes_out == 2 + 10 + 10 + 5);
}

TEST_CASE("bind: SOCKS4 and names work as well, one peer is all there is") {
  SocksWorker proxy(with_bind);
  for (const char* host : {"127.0.0.1", "localhost"}) {
    Client client(proxy.port());
    client.send(request4(host, 0, 2));
    Endpoint bound;
    CHECK(read_reply4(client, &bound) == 90);
    Client peer(bound.port);
    Endpoint from;
    CHECK(read_reply4(client, &from) == 90);
    CHECK(from.port == peer.local_port());
    peer.send("x");
    CHECK(client.receive(1) == "x");
    CHECK_THROWS(Client{bound.port});
  }
}

TEST_CASE("bind: anybody else is reset and the wait goes on") {
  SocksWorker proxy([](wire::ServerConfig& config) {
    with_bind(config);
    config.config["bind_timeout"] = "1s";
  });
  Client client(proxy.port());
  const Reply first = ask(client, request5("127.0.0.7", 21, 2));
  CHECK(first.code == 0);
  Client stranger(first.bound.port);
  CHECK(stranger.receive_all().empty());
  CHECK(stranger.was_reset());
  const Reply second = read_reply(client);
  CHECK(second.code == 4);
  CHECK(client.receive_all().empty());
  CHECK(count_of(proxy.after(1), Reason::connect_timeout) == 1);
}

TEST_CASE("bind: peers are judged as destinations are") {
  SocksWorker proxy(with_bind);
  for (const auto& [host, code] :
       {std::pair{"10.0.0.1", 2}, {"0.0.0.0", 2}, {"ten.test", 2}, {"no name", 4}}) {
    CAPTURE(host);
    Client client(proxy.port());
    CHECK(ask(client, request5(host, 21, 2)).code == code);
    CHECK(client.receive_all().empty());
  }
}

TEST_CASE("bind: the listening socket goes with the client, and with the rule that allowed it") {
  SocksWorker proxy(with_bind);
  std::uint16_t port = 0;
  {
    Client client(proxy.port());
    port = ask(client, request5("127.0.0.1", 21, 2)).bound.port;
    CHECK(port != 0);
  }
  CHECK(count_of(proxy.after(1), Reason::client_closed) == 1);
  CHECK_THROWS(Client{port});
  Client client(proxy.port());
  port = ask(client, request5("127.0.0.1", 21, 2)).bound.port;
  wire::ServerConfig tighter = proxy.config();
  tighter.generation = 3;
  tighter.rules.clear();
  CHECK(proxy.worker().put(tighter).error.empty());
  Client peer(port);
  CHECK(peer.receive_all().empty());
  CHECK(peer.was_reset());
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("bind: a confined worker can do it too") {
  SocksWorker proxy({.threads = 1, .sandbox = "auto"}, with_bind);
  CHECK(proxy.worker().ready().seccomp);
  Client client(proxy.port());
  const Reply first = ask(client, request5("127.0.0.1", 21, 2));
  CHECK(first.code == 0);
  Client peer(first.bound.port);
  CHECK(read_reply(client).code == 0);
}
#endif
