#include <doctest/doctest.h>
#include <sys/socket.h>

#include "tests/unit/proxy_http/fixture.h"

using namespace arcus;
using namespace arcus::test;

static void any_port(wire::ServerConfig& config) { config.config["connect_ports"] = "*"; }

static std::string connect_to(const std::string& authority) {
  return "CONNECT " + authority + " HTTP/1.1\r\nHost: " + authority + "\r\n\r\n";
}

TEST_CASE("connect: a tunnel carries early bytes, both directions and half-close") {
  HttpWorker proxy(any_port);
  Server backend(echo("hi "));
  Client client(proxy.port());
  client.send(connect_to("127.0.0.1:" + std::to_string(backend.port())) + "early ");
  const Answer answer = read_answer(client, false);
  CHECK(answer.head == "HTTP/1.1 200 Connection established\r\n\r\n");
  CHECK(client.receive(9) == "hi early ");
  client.send("more");
  CHECK(client.receive(4) == "more");
  client.shutdown_write();
  CHECK(client.receive_all().empty());
  CHECK_FALSE(client.was_reset());
  const auto totals = proxy.after(1);
  CHECK(totals.total_requests == 1);
  CHECK(count_of(totals, Reason::ok) == 1);
}

TEST_CASE("connect: ports that are not listed are refused, and the client may go on") {
  HttpWorker proxy;
  Client client(proxy.port());
  for (const char* port : {"25", "80", "444"}) {
    client.send(connect_to(std::string{"127.0.0.1:"} + port));
    CHECK(read_answer(client).status == 403);
  }
  CHECK(count_of(proxy.after(3), Reason::destination_denied) == 3);
}

TEST_CASE("connect: a refused connection is 502, an unknown name too") {
  HttpWorker proxy(any_port);
  CHECK(proxy.ask(connect_to("127.0.0.1:" + std::to_string(refusing_port()))).status == 502);
  CHECK(count_of(proxy.after(1), Reason::connect_refused) == 1);
}

TEST_CASE("upgrade: websocket becomes a tunnel on 101, others are not asked for") {
  HttpWorker proxy;
  Server backend([](int fd) {
    const std::string answer =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-X: "
        "1\r\n\r\nfirst";
    std::string head;
    char byte;
    while (!head.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) head += byte;
    ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    echo()(fd);
  });
  Client client(proxy.port());
  client.send("GET http://127.0.0.1:" + std::to_string(backend.port()) +
              "/ HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c, WebSocket\r\n\r\nearly");
  const Answer answer = read_answer(client);
  CHECK(answer.status == 101);
  CHECK(has(answer.head, "Upgrade: websocket\r\n"));
  CHECK(has(answer.head, "Sec-X: 1\r\n"));
  CHECK(client.receive(10) == "firstearly");
  client.shutdown_write();
  CHECK(client.receive_all().empty());

  Origin plain(ok("x"));
  proxy.get(plain.url(), "Connection: upgrade\r\nUpgrade: h2c\r\n");
  CHECK_FALSE(has(plain.heads().back(), "pgrade"));
  Origin unasked("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
  CHECK(proxy.get(unasked.url()).status == 502);
}

TEST_CASE("connect: a rule that tightens ends the tunnel within a second") {
  HttpWorker proxy(any_port);
  Server backend(echo());
  Client client(proxy.port());
  client.send(connect_to("127.0.0.1:" + std::to_string(backend.port())));
  CHECK(read_answer(client, false).status == 200);
  wire::ServerConfig tighter = proxy.config();
  tighter.generation = 2;
  tighter.rules = {{.number = 1, .allow = false, .host = "127.0.0.1"}};
  CHECK(proxy.worker().put(tighter).error.empty());
  client.receive_all();
  CHECK(count_of(proxy.after(1), Reason::acl_denied) == 1);
}
