#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <numeric>
#include <thread>

#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("worker: a tcp client talks to its backend, and every byte is counted") {
  TestWorker worker;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  {
    Client client(port);
    for (int i = 0; i < 10; ++i) {
      client.send("hello");
      CHECK(client.receive(5) == "hello");
    }
    client.shutdown_write();
    CHECK(client.receive_all().empty());
    CHECK_FALSE(client.was_reset());
  }
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 1; });
  CHECK(totals.total_connections == 1);
  CHECK(totals.closed_connections == 1);
  CHECK(totals.peak_connections == 1);
  CHECK(totals.total_requests == 1);
  CHECK(totals.refused_connections == 0);
  CHECK(totals.bytes_in == 50);
  CHECK(totals.bytes_out == 50);
  CHECK(totals.error_count == 0);
  CHECK(totals.response_time_count == 1);
  CHECK(count_of(totals, Reason::ok) == 1);
}

TEST_CASE("worker: bulk passes whole both ways at once, half-close included") {
  TestWorker worker;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  std::string data(24 << 20, '\0');
  std::iota(data.begin(), data.end(), '\0');
  for (std::size_t i = 0; i < data.size(); i += 4099) data[i] = static_cast<char>(i >> 12);
  Client client(port);
  std::jthread sender([&] {
    client.send(data);
    client.shutdown_write();
  });
  const std::string back = client.receive_all();
  CHECK(back.size() == data.size());
  CHECK((back == data));
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 1; });
  CHECK(totals.bytes_in == data.size());
  CHECK(totals.bytes_out == data.size());
  CHECK(count_of(totals, Reason::ok) == 1);
}

TEST_CASE("worker: a backend that speaks first is heard") {
  TestWorker worker;
  Server backend(echo("220 ready\r\n"));
  Client client(worker.serve_tcp({backend.port()}));
  CHECK(client.receive(11) == "220 ready\r\n");
}

TEST_CASE("worker: a slow reader stops the backend, and gets everything") {
  TestWorker worker;
  const std::size_t size = 8 << 20;
  Server backend([&](int fd) {
    const std::string block(65536, 'x');
    for (std::size_t sent = 0; sent < size;) {
      const ssize_t n = ::send(fd, block.data(), block.size(), MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  });
  Client client(worker.serve_tcp({backend.port()}));
  std::size_t got = 0;
  for (int i = 0; i < 64; ++i) {
    got += client.receive(1024).size();
    std::this_thread::yield();
  }
  got += client.receive_all().size();
  CHECK(got >= size);
  CHECK(got % 65536 == 0);
}

TEST_CASE("worker: a client whose backend is gone is reset and recorded as refused") {
  TestWorker worker;
  Client client(worker.serve_tcp({refusing_port()}));
  CHECK(client.receive_all().empty());
  CHECK(client.was_reset());
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 1; });
  CHECK(totals.total_connections == 1);
  CHECK(totals.refused_connections == 1);
  CHECK(totals.total_requests == 0);
  CHECK(count_of(totals, Reason::connect_refused) == 1);
}

TEST_CASE("worker: a client goes to the next backend when one refuses, and the bad one is reported down") {
  TestWorker worker;
  Server good(echo());
  const std::uint16_t bad = refusing_port();
  const std::uint16_t port = worker.serve_tcp({bad, good.port()});
  for (int i = 0; i < 8; ++i) {
    Client client(port);
    client.send("x");
    CHECK(client.receive(1) == "x");
  }
  CHECK(good.accepted() == 8);
  const wire::Event event = worker.expect_event();
  CHECK(event.kind == "backend_down");
  CHECK(event.detail == std::to_string(bad) + " traffic connect_refused");
}

TEST_CASE("worker: over max_connections a client is reset at once, and served when there is room") {
  TestWorker worker;
  Server backend(echo("hi"));
  const std::uint16_t port = worker.serve_tcp({backend.port()}, [](auto& s) { s.max_connections = 2; });
  Client one(port);
  CHECK(one.receive(2) == "hi");
  {
    Client two(port);
    CHECK(two.receive(2) == "hi");
    Client three(port);
    CHECK(three.receive_all().empty());
  }
  auto totals = worker.counters([](const auto& t) { return t.closed_connections == 2; });
  CHECK(totals.total_connections == 3);
  CHECK(totals.refused_connections == 1);
  CHECK(count_of(totals, Reason::limit_server) == 1);
  CHECK(totals.peak_connections == 2);
  Client four(port);
  CHECK(four.receive(2) == "hi");
}

TEST_CASE("worker: limits of client, tenant and worker name themselves") {
  struct Row {
    Reason reason;
    std::int64_t worker, tenant, client;
  };
  for (const Row& row : {Row{Reason::limit_worker, 1, 5, 5}, Row{Reason::limit_tenant, 5, 1, 5},
                         Row{Reason::limit_client, 5, 5, 1}}) {
    CAPTURE(name_of(row.reason));
    TestWorker worker({.max_connections = row.worker});
    Server backend(echo("hi"));
    worker.put_tenant({.id = "t", .name = "acme", .max_connections = row.tenant});
    const std::uint16_t port =
        worker.serve_tcp({backend.port()}, [&](auto& s) { s.max_connections_per_client = row.client; });
    Client one(port);
    CHECK(one.receive(2) == "hi");
    Client two(port);
    CHECK(two.receive_all().empty());
    const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 1; });
    CHECK(count_of(totals, row.reason) == 1);
  }
}

TEST_CASE("worker: idle connections end after idle_timeout, busy ones do not") {
  TestWorker worker;
  Server backend(echo());
  Client client(worker.serve_tcp({backend.port()}, [](auto& s) { s.idle_timeout_ms = 150; }));
  client.send("a");
  CHECK(client.receive(1) == "a");
  const auto before = std::chrono::steady_clock::now();
  CHECK(client.receive_all().empty());
  const auto waited = std::chrono::steady_clock::now() - before;
  CHECK(waited >= std::chrono::milliseconds(140));
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 1; });
  CHECK(count_of(totals, Reason::idle_timeout) == 1);
}

TEST_CASE("worker: many clients on two threads are all served and counted") {
  TestWorker worker({.threads = 2});
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 60; ++i) clients.push_back(std::make_unique<Client>(port));
  for (const auto& client : clients) client->send("ping");
  for (const auto& client : clients) CHECK(client->receive(4) == "ping");
  clients.clear();
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 60; });
  CHECK(totals.total_connections == 60);
  CHECK(totals.closed_connections == 60);
  CHECK(totals.bytes_in == 240);
  CHECK(totals.bytes_out == 240);
}
