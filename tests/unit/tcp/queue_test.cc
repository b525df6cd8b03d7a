#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
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

/// A port that lets nobody in: connects are never answered.
struct Hole {
  Hole() : listening(listen_anywhere(port)) {
    ::listen(listening.get(), 0);
    for (UniqueFd& filler : fillers) {
      filler = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      sockaddr_in to{};
      to.sin_family = AF_INET;
      to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      to.sin_port = htons(port);
      static_cast<void>(::connect(filler.get(), reinterpret_cast<sockaddr*>(&to), sizeof to));
    }
  }
  std::uint16_t port = 0;
  UniqueFd listening;
  std::array<UniqueFd, 4> fillers;
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

TEST_CASE("queue: a raised limit and a new backend are for those who wait, a drained one for nobody") {
  Queue queue;
  Client one(queue.port);
  CHECK(one.receive(2) == "hi");
  Client two(queue.port);
  CHECK(two.quiet_for(50ms));
  queue.change([](auto& config) { config.backends[0].max_connections = 2; });
  CHECK(two.receive(2) == "hi");
  Client three(queue.port);
  CHECK(three.quiet_for(50ms));
  Server other(echo("ho"));
  queue.change([&](auto& config) {
    config.backends.push_back({.id = "b2", .host = "127.0.0.1", .port = other.port(), .max_connections = 1});
  });
  CHECK(three.receive(2) == "ho");
  Client four(queue.port);
  CHECK(four.quiet_for(50ms));
  queue.change([](auto& config) { config.backends[0].admin_state = "drain"; });
  one.close();
  CHECK(four.quiet_for(150ms));
  three.close();
  CHECK(four.receive(2) == "ho");
}

TEST_CASE("queue: of several units that are freed at once none stays idle") {
  for (int round = 0; round < 5; ++round) {
    Queue queue;
    queue.change([](auto& config) { config.backends[0].max_connections = 2; });
    Client one(queue.port), two(queue.port);
    CHECK(one.receive(2) == "hi");
    CHECK(two.receive(2) == "hi");
    Client three(queue.port);
    CHECK(three.quiet_for(50ms));
    ::kill(queue.worker.pid(), SIGSTOP);  // what follows comes in one batch of events
    one.reset();
    two.reset();
    Client four(queue.port);
    ::kill(queue.worker.pid(), SIGCONT);
    CHECK(three.receive(2) == "hi");
    CHECK(four.receive(2) == "hi");
  }
}

TEST_CASE("queue: a client that tries a backend that is down holds up nobody") {
  Hole hole;
  Queue queue(9'000);
  queue.change([&](auto& config) {
    config.backends.push_back({.id = "hole", .host = "127.0.0.1", .port = hole.port, .state = "down"});
  });
  std::atomic<bool> ends{false};
  std::atomic<int> served{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      while (!ends) {
        Client client(queue.port);
        served += client.receive(2) == "hi";
        std::this_thread::sleep_for(3ms);  // so that there is always a line
      }
    });
  for (int quarter = 0; quarter < 12; ++quarter) {  // trials are 2 s apart
    const int before = served;
    std::this_thread::sleep_for(250ms);
    CHECK(served > before);
  }
  ends = true;
}

TEST_CASE("queue: who waits because a backend refused it once keeps nobody from that backend") {
  const UniqueFd other{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof any;
  REQUIRE(::bind(other.get(), reinterpret_cast<sockaddr*>(&any), size) == 0);
  REQUIRE(::getsockname(other.get(), reinterpret_cast<sockaddr*>(&any), &size) == 0);
  Queue queue;
  queue.change([&](auto& config) {
    config.lb = "failover";
    config.backends.push_back({.id = "b2", .host = "127.0.0.1", .port = ntohs(any.sin_port)});
  });
  Client one(queue.port);
  CHECK(one.receive(2) == "hi");
  Client refused(queue.port);
  CHECK(refused.quiet_for(150ms));
  REQUIRE(::listen(other.get(), 8) == 0);
  Client three(queue.port);
  pollfd comes{.fd = other.get(), .events = POLLIN, .revents = 0};
  CHECK(::poll(&comes, 1, 2'000) == 1);
  CHECK(refused.quiet_for(50ms));
  one.close();
  CHECK(refused.receive(2) == "hi");
}

TEST_CASE("queue: a backend that hangs is known for it also as the third that is tried") {
  std::array<Hole, 3> holes;
  TestWorker worker;
  wire::ServerConfig config = worker.tcp_config({holes[0].port, holes[1].port, holes[2].port});
  config.lb = "failover";
  config.connection_timeout_ms = 2'400;
  CHECK(worker.put(config).error.empty());
  const std::uint16_t port = worker.listen("s");
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) clients.emplace_back(port);
  for (Client& client : clients) CHECK(client.receive_all().empty());
  for (std::size_t i = 0; i < holes.size(); ++i) CHECK(worker.expect_event().kind == "backend_down");
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
