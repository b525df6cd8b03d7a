#include <doctest/doctest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

/// A socks server whose clients go through these parents, in order.
struct Dialer {
  explicit Dialer(const std::vector<std::uint16_t>& parents, std::int64_t timeout_ms = 5'000,
                  std::int64_t max_connections = 0) {
    wire::ServerConfig config = worker.tcp_config(parents);
    config.type = "socks";
    config.lb = "failover";
    config.connection_timeout_ms = timeout_ms;
    for (wire::BackendConfig& backend : config.backends) {
      backend.role = "parent_http";
      backend.max_connections = max_connections;
    }
    config.rules = {{.number = 10, .allow = false, .host = "*.bad.test"}};
    if (const wire::Ack ack = worker.put(config); !ack.error.empty()) throw std::runtime_error(ack.error);
    port = worker.listen(config.id);
  }
  /// Asks for origin.test:80; the reply's code.
  int ask(Client& client, const std::string& host = "origin.test") const {
    client.send("\x05\x01\x00"s);
    CHECK(client.receive(2) == "\x05\x00"s);
    client.send("\x05\x01\x00\x03"s + static_cast<char>(host.size()) + host + "\x00\x50"s);
    const std::string reply = client.receive(10);
    return reply.size() < 2 ? -1 : reply[1];
  }
  TestWorker worker;
  std::uint16_t port = 0;
};

/// A parent that gives that answer to whatever ends a head, then echoes.
Server::Serve parent(std::string answer) {
  return [answer](int fd) {
    std::string head;
    char byte = 0;
    while (!head.ends_with("\r\n\r\n") && ::recv(fd, &byte, 1, 0) == 1) head += byte;
    ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    echo()(fd);
  };
}

}  // namespace

TEST_CASE("upstream dial: the next parent is asked when one is down, and the tunnel works") {
  Server good(parent("HTTP/1.1 200 OK\r\n\r\n"));
  Dialer rig({refusing_port(), good.port()});
  for (int i = 0; i < 5; ++i) {
    Client client(rig.port);
    CHECK(rig.ask(client) == 0);
    client.send("hello");
    CHECK(client.receive(5) == "hello");
  }
  CHECK(good.accepted() == 5);
}

TEST_CASE("upstream dial: what a parent says of the target is told on; its 407 sends us to the next") {
  Server strict(parent("HTTP/1.1 407 Who?\r\n\r\n"));
  Server blunt(parent("HTTP/1.1 502 Nobody there\r\n\r\n"));
  Dialer rig({strict.port(), blunt.port()});
  for (int i = 0; i < 5; ++i) {
    Client client(rig.port);
    CHECK(rig.ask(client) == 3);
  }
  CHECK(blunt.accepted() == 5);  // neither was taken for being down
  CHECK(strict.accepted() == 5);
}

TEST_CASE("upstream dial: parents that say nothing are given up within connection_timeout together") {
  Server mute([](int fd) {
    char byte = 0;
    while (::recv(fd, &byte, 1, 0) == 1) continue;
  });
  Dialer rig({mute.port(), mute.port()}, 300);
  Client client(rig.port);
  const auto start = std::chrono::steady_clock::now();
  CHECK(rig.ask(client) == 4);
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(took >= 280ms);
  CHECK(took < 3s);
}

TEST_CASE("upstream dial: a parent that is always full serves what it can, and is not taken for being down") {
  Server slow([](int fd) {
    std::this_thread::sleep_for(40ms);
    parent("HTTP/1.1 200 OK\r\n\r\n")(fd);
  });
  Dialer rig({slow.port()}, 300, 1);
  std::atomic<int> served{0}, refused{0};
  std::vector<std::jthread> clients;
  const auto until = std::chrono::steady_clock::now() + 2s;
  for (int i = 0; i < 30; ++i)
    clients.emplace_back([&] {
      while (std::chrono::steady_clock::now() < until) {
        Client client(rig.port);
        (rig.ask(client) == 0 ? served : refused) += 1;
      }
    });
  clients.clear();
  CHECK(served > 20);
  CHECK(refused > 20);
  const auto totals = rig.worker.counters([&](const auto& t) {
    return count_of(t, Reason::limit_backend) == static_cast<std::uint64_t>(refused);
  });
  CHECK(count_of(totals, Reason::limit_backend) == static_cast<std::uint64_t>(refused));
}

TEST_CASE("upstream dial: none is left, or a rule of names forbids") {
  Dialer rig({refusing_port()});
  Client one(rig.port);
  CHECK(rig.ask(one) == 5);
  Client other(rig.port);
  CHECK(rig.ask(other, "very.bad.test") == 2);
}
