#include <doctest/doctest.h>
#include <sys/socket.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("worker: a limit of bandwidth holds for what is open, and lifting it lets what waited go on") {
  TestWorker worker;
  Server backend(echo());
  wire::ServerConfig config = worker.tcp_config({backend.port()});
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  const std::string data(200'000, 'x');
  Client client(port);
  client.send("hello");
  CHECK(client.receive(5) == "hello");
  config.generation = 2;
  config.bandwidth_bytes_per_second = 4096;
  CHECK(worker.put(config).error.empty());
  client.send(data);
  CHECK(client.receive(1000) == data.substr(0, 1000));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  CHECK(worker.counters([](const auto&) { return true; }).bytes_in < 50'000);
  config.generation = 3;
  config.bandwidth_bytes_per_second = 0;
  CHECK(worker.put(config).error.empty());
  CHECK(client.receive(data.size() - 1000).size() == data.size() - 1000);
}

TEST_CASE(
    "worker: connections that wait for bandwidth end with their client, their backend and their server") {
  TestWorker worker({.threads = 2});
  Server backend(echo());
  const std::uint16_t port =
      worker.serve_tcp({backend.port()}, [](auto& s) { s.bandwidth_bytes_per_second = 1024; });
  const std::string data(50'000, 'x');
  std::vector<Client> clients;
  for (int i = 0; i < 12; ++i) clients.emplace_back(port).send(data);
  for (std::size_t i = 0; i < 6; ++i) clients[i].close();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  wire::ServerConfig config = worker.tcp_config({backend.port()});
  for (std::int64_t generation = 2; generation < 12; ++generation) {
    config.generation = generation;
    config.bandwidth_bytes_per_second = generation % 2 == 0 ? 2048 : 0;
    CHECK(worker.put(config).error.empty());
  }
  worker.unlisten("s", 0);
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 12; });
  CHECK(totals.closed_connections == 12);
}

TEST_CASE("worker: clients that reset while they wait for bandwidth are gone at once") {
  constexpr std::size_t clients = 20;
  TestWorker worker;
  Server backend([](int fd) {  // takes all, says nothing
    for (char byte = 0; ::recv(fd, &byte, 1, 0) == 1;) continue;
  });
  const std::uint16_t port =
      worker.serve_tcp({backend.port()}, [](auto& s) { s.bandwidth_bytes_per_second = 1024; });
  std::vector<Client> all;
  for (std::size_t i = 0; i < clients; ++i) all.emplace_back(port).send(std::string(50'000, 'x'));
  CHECK(worker.counters([](const auto& t) { return t.total_requests == clients; }).bytes_in < 50'000);
  for (Client& client : all) client.reset();
  const auto began = std::chrono::steady_clock::now();
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == clients; });
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(2));
  CHECK(count_of(totals, Reason::client_closed) == clients);
}

TEST_CASE("worker: connections over the rate are reset, named rate_limited, and none is lost count of") {
  TestWorker worker;
  Server backend(echo("hi"));
  const std::uint16_t port = worker.serve_tcp({backend.port()}, [](auto& s) { s.requests_per_second = 3; });
  int served = 0;
  for (int i = 0; i < 10; ++i) served += Client(port).receive(2) == "hi";
  CHECK(served >= 3);
  CHECK(served <= 5);
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 10; });
  CHECK(count_of(totals, Reason::rate_limited) == static_cast<std::uint64_t>(10 - served));
  CHECK(totals.refused_connections == static_cast<std::uint64_t>(10 - served));
}
