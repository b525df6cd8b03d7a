#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

namespace {

/// A tcp server with one backend that takes one connection at a time, and greets.
struct Queue {
  explicit Queue(std::int64_t timeout_ms = 10'000, int threads = 1) : worker({.threads = threads}) {
    config = worker.tcp_config({backend.port()});
    config.backends[0].max_connections = 1;
    config.connection_timeout_ms = timeout_ms;
    CHECK(worker.put(config).error.empty());
    port = worker.listen("s");
  }
  void change(const std::function<void(wire::ServerConfig&)>& how) {
    ++config.generation;
    how(config);
    CHECK(worker.put(config).error.empty());
  }

  Server backend{echo("hi")};
  TestWorker worker;
  wire::ServerConfig config;
  std::uint16_t port = 0;
};

}  // namespace

TEST_CASE("queue: clients for whom the backend is full are served in the order of coming") {
  Queue queue;
  std::vector<Client> clients;
  for (int i = 0; i < 5; ++i) {
    clients.emplace_back(queue.port);
    std::this_thread::sleep_for(30ms);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    CHECK(clients[i].receive(2) == "hi");
    if (i + 1 < clients.size()) CHECK(clients[i + 1].quiet_for(50ms));
    clients[i].close();
  }
  CHECK(queue.backend.accepted() == 5);
  const auto totals = queue.worker.counters([](const auto& t) { return t.closed_connections == 5; });
  CHECK(totals.refused_connections == 0);
}

TEST_CASE("queue: who waits longer than connection_timeout is refused with limit_backend") {
  Queue queue(400);
  Client one(queue.port);
  CHECK(one.receive(2) == "hi");
  const auto began = std::chrono::steady_clock::now();
  Client two(queue.port);
  CHECK(two.receive_all().empty());
  CHECK(two.was_reset());
  const auto waited = std::chrono::steady_clock::now() - began;
  CHECK(waited >= 400ms);
  CHECK(waited < 1500ms);
  const auto totals = queue.worker.counters([](const auto& t) { return t.refused_connections == 1; });
  CHECK(count_of(totals, Reason::limit_backend) == 1);
  one.send("x");
  CHECK(one.receive(1) == "x");
}

TEST_CASE("queue: who leaves the line is no hindrance to those behind it") {
  Queue queue;
  Client one(queue.port);
  CHECK(one.receive(2) == "hi");
  std::vector<Client> gone;
  for (int i = 0; i < 3; ++i) gone.emplace_back(queue.port);
  Client last(queue.port);
  CHECK(last.quiet_for(50ms));
  for (Client& client : gone) client.reset();
  std::this_thread::sleep_for(50ms);
  one.close();
  CHECK(last.receive(2) == "hi");
  CHECK(queue.backend.accepted() == 2);
  const auto totals = queue.worker.counters([](const auto& t) { return t.closed_connections == 4; });
  CHECK(count_of(totals, Reason::client_closed) == 3);
}

TEST_CASE("queue: a raised limit and a new backend serve newcomers at once") {
  Queue queue;
  Client one(queue.port);
  CHECK(one.receive(2) == "hi");
  Client waits(queue.port);
  CHECK(waits.quiet_for(50ms));
  queue.change([](auto& config) { config.backends[0].max_connections = 2; });
  Client two(queue.port);
  CHECK(two.receive(2) == "hi");
  Server other(echo("ho"));
  queue.change([&](auto& config) {
    config.backends.push_back({.id = "b2", .host = "127.0.0.1", .port = other.port()});
  });
  Client three(queue.port);
  CHECK(three.receive(2) == "ho");
  CHECK(waits.quiet_for(50ms));
  one.close();
  two.close();
  CHECK(waits.receive(2) == "hi");
}

TEST_CASE("queue: a server that is stopped ends those who wait") {
  Queue queue;
  Client one(queue.port);
  CHECK(one.receive(2) == "hi");
  std::vector<Client> waiting;
  for (int i = 0; i < 3; ++i) waiting.emplace_back(queue.port);
  CHECK(waiting[2].quiet_for(50ms));
  queue.worker.unlisten("s", 0);
  for (Client& client : waiting) CHECK(client.receive_all().empty());
  const auto totals = queue.worker.counters([](const auto& t) { return t.closed_connections == 4; });
  CHECK(totals.closed_connections == 4);
}

TEST_CASE("queue: over four threads nobody is forgotten") {
  Queue queue(10'000, 4);
  constexpr int clients = 16, rounds = 25;
  std::atomic<int> served{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < clients; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) served += Client(queue.port).receive(2) == "hi";
    });
  threads.clear();
  CHECK(served == clients * rounds);
  const auto totals =
      queue.worker.counters([](const auto& t) { return t.closed_connections == clients * rounds; });
  CHECK(totals.refused_connections == 0);
}
