#include <doctest/doctest.h>

#include <chrono>
#include <thread>

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
