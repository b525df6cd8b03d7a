#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>

#include "lib/net/socket.h"
#include "tests/unit/net/fake_dns.h"
#include "tests/unit/runtime/driver.h"
#include "tests/unit/runtime/peers.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("reload: open connections go on, new ones follow the new backends") {
  TestWorker worker;
  Server old_backend(echo("old"));
  Server new_backend(echo("new"));
  const std::uint16_t port = worker.serve_tcp({old_backend.port()});
  Client before(port);
  CHECK(before.receive(3) == "old");

  wire::ServerConfig next = worker.tcp_config({new_backend.port()});
  next.generation = 7;
  const wire::Ack ack = worker.put(next);
  CHECK(ack.server_id == "s");
  CHECK(ack.generation == 7);
  CHECK(ack.error.empty());

  before.send("still");
  CHECK(before.receive(5) == "still");
  Client after(port);
  CHECK(after.receive(3) == "new");
}

TEST_CASE("reload: a snapshot that cannot be built is refused with the reason, the old one serves on") {
  TestWorker worker;
  Server backend(echo("hi"));
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  struct Row {
    const char* what;
    void (*spoil)(wire::ServerConfig&);
  };
  const Row rows[] = {
      {"no backend", [](wire::ServerConfig& s) { s.backends.clear(); }},
      {"algorithm", [](wire::ServerConfig& s) { s.lb = "magic"; }},
      {"type", [](wire::ServerConfig& s) { s.type = "gopher"; }},
      {"tenant", [](wire::ServerConfig& s) { s.tenant_id = "nobody"; }},
      {"counter slot", [](wire::ServerConfig& s) { s.counter_slot = 16; }},
      {"rule", [](wire::ServerConfig& s) { s.rules = {{.number = 1, .client = "300.0.0.0/8"}}; }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    wire::ServerConfig bad = worker.tcp_config({backend.port()});
    bad.generation = 9;
    row.spoil(bad);
    const wire::Ack ack = worker.put(bad);
    CHECK(ack.generation == 9);
    CHECK_FALSE(ack.error.empty());
    Client client(port);
    CHECK(client.receive(2) == "hi");
  }
}

TEST_CASE("reload: a lower limit holds for the next client, a rule that tightens ends those it forbids") {
  TestWorker worker;
  Server backend(echo("hi"));
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  Client client(port);
  CHECK(client.receive(2) == "hi");

  wire::ServerConfig tight = worker.tcp_config({backend.port()});
  tight.max_connections = 1;
  worker.put(tight);
  Client refused(port);
  CHECK(refused.receive_all().empty());

  tight.rules = {{.number = 10, .allow = false, .client = "127.0.0.0/8"}};
  worker.put(tight);
  CHECK(client.receive_all().empty());
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 2; });
  CHECK(totals.reasons.at(static_cast<std::size_t>(Reason::acl_denied)) == 1);
}

TEST_CASE("drain: connections may finish, then the daemon hears of it") {
  TestWorker worker;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  Client client(port);
  client.send("a");
  CHECK(client.receive(1) == "a");
  worker.unlisten("s", 10'000);
  client.send("b");
  CHECK(client.receive(1) == "b");
  client.close();
  const wire::Event event = worker.expect_event();
  CHECK(event.kind == "drained");
  CHECK(event.server_id == "s");
}

TEST_CASE("drain: what does not end in time is ended, and a new listen serves at once") {
  TestWorker worker;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  Client stubborn(port);
  stubborn.send("a");
  CHECK(stubborn.receive(1) == "a");
  worker.unlisten("s", 300);
  worker.listen("s");
  Client fresh(port);
  fresh.send("b");
  CHECK(fresh.receive(1) == "b");
  CHECK(stubborn.receive_all().empty());
  CHECK(worker.expect_event().kind == "drained");
  fresh.send("c");
  CHECK(fresh.receive(1) == "c");
  const auto totals = worker.counters([](const auto& t) { return t.closed_connections == 1; });
  CHECK(totals.reasons.at(static_cast<std::size_t>(Reason::draining)) == 1);
}

TEST_CASE("drain: a removed server is forgotten, and its id can come again") {
  TestWorker worker;
  Server backend(echo("hi"));
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  Client client(port);
  CHECK(client.receive(2) == "hi");
  worker.unlisten("s", 0, true);
  CHECK(client.receive_all().empty());
  CHECK(worker.expect_event().kind == "drained");
  worker.serve_tcp({backend.port()});
  Client again(port);
  CHECK(again.receive(2) == "hi");
}

TEST_CASE("drain frame: the worker ends with status 0 when the last connection has") {
  TestWorker worker;
  Server backend(echo());
  Client client(worker.serve_tcp({backend.port()}));
  client.send("a");
  CHECK(client.receive(1) == "a");
  worker.send(wire::FrameType::drain, to_json(wire::DrainFrame{.drain_timeout_ms = 10'000}));
  client.send("b");
  CHECK(client.receive(1) == "b");
  client.close();
  CHECK(worker.wait_for_exit() == 0);
}

TEST_CASE("orphan: when the daemon goes the port is free at once, the connection finishes, the worker ends") {
  TestWorker worker;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  Client client(port);
  client.send("a");
  CHECK(client.receive(1) == "a");
  worker.close_channel();
  UniqueFd next;
  for (int i = 0; i < 2000 && !next; ++i) {
    next = socket::listen({IpAddress::v4(0x7f000001), port}, 16);
    if (!next) ::usleep(1000);
  }
  CHECK(next);
  client.send("b");
  CHECK(client.receive(1) == "b");
  client.close();
  CHECK(worker.wait_for_exit() == 0);
}

TEST_CASE(
    "orphan: the signal that comes with the daemon's death does not cut connections, a second one does") {
  TestWorker worker;
  Server backend(echo());
  Client client(worker.serve_tcp({backend.port()}));
  client.send("a");
  CHECK(client.receive(1) == "a");
  worker.close_channel();
  ::kill(worker.pid(), SIGTERM);
  for (int i = 0; i < 20; ++i) {
    client.send("b");
    CHECK(client.receive(1) == "b");
    ::usleep(5'000);
  }
  ::kill(worker.pid(), SIGTERM);
  CHECK(client.receive_all().empty());
  CHECK(worker.wait_for_exit() == 0);
}

TEST_CASE("kill: counts survive the worker, and waiting clients are served by the next one") {
  TestWorker worker;
  TestWorker successor;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  Client client(port);
  client.send("12345");
  CHECK(client.receive(5) == "12345");
  CHECK(wire::counter_file_in_use(worker.counter_fd()));
  worker.counters([](const auto& t) { return t.bytes_out == 5; });
  worker.kill();
  CHECK(worker.wait_for_exit() == 128 + SIGKILL);
  CHECK_FALSE(wire::counter_file_in_use(worker.counter_fd()));
  const auto totals = worker.counters([](const auto&) { return true; });
  CHECK(totals.bytes_in == 5);
  CHECK(totals.bytes_out == 5);

  Client waiting(port);
  waiting.send("x");
  REQUIRE(successor.put(successor.tcp_config({backend.port()})).error.empty());
  successor.send(wire::FrameType::listen, to_json(wire::ListenFrame{.seq = 1, .server_id = "s"}),
                 worker.listening_fd());
  CHECK(successor.expect_ack().error.empty());
  CHECK(waiting.receive(1) == "x");
}

TEST_CASE("config: answers come in the order of the snapshots, refusals too") {
  TestWorker worker;
  Server backend(echo());
  wire::WorkerConfig good, bad;
  good.servers = {worker.tcp_config({backend.port()})};
  bad.servers = {worker.tcp_config({})};
  bad.servers[0].generation = 2;
  for (int i = 0; i < 20; ++i) {
    worker.send(wire::FrameType::config, to_json(good));
    worker.send(wire::FrameType::config, to_json(bad));
  }
  for (int i = 0; i < 20; ++i) {
    const wire::Ack first = worker.expect_ack(), second = worker.expect_ack();
    CHECK(first.generation == 1);
    CHECK(first.error.empty());
    CHECK(second.generation == 2);
    CHECK_FALSE(second.error.empty());
  }
}

TEST_CASE("drain: each order has its own connections and its own time") {
  TestWorker worker;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  Client before(port);
  before.send("a");
  CHECK(before.receive(1) == "a");
  worker.unlisten("s", 400);
  worker.listen("s");
  Client between(port);
  between.send("b");
  CHECK(between.receive(1) == "b");
  worker.unlisten("s", 20'000);
  CHECK(before.receive_all().empty());  // by the first order
  ::usleep(300'000);
  between.send("c");
  CHECK(between.receive(1) == "c");
}

TEST_CASE("probe: the daemon's own connection is answered without count, record or backend") {
  TestWorker worker;
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  std::uint16_t source = 0;
  listen_anywhere(source);  // and closed: free to come from
  worker.send(wire::FrameType::probe,
              to_json(wire::ProbeFrame{.seq = 5, .server_id = "s", .source_port = source}));
  CHECK(worker.expect_ack().seq == 5);
  {
    Client probe(port, source);
    CHECK(probe.receive_all().empty());
    CHECK_FALSE(probe.was_reset());
  }
  Client client(port);
  client.send("x");
  CHECK(client.receive(1) == "x");
  CHECK(backend.accepted() == 1);
  const auto totals = worker.counters([](const auto& t) { return t.total_connections > 0; });
  CHECK(totals.total_connections == 1);
}

TEST_CASE("access log: one line for a connection, one for a refusal; off writes nothing") {
  TestWorker worker;
  Server backend(echo());
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const UniqueFd reading{ends[0]};
  UniqueFd writing{ends[1]};
  worker.send(wire::FrameType::access_log, to_json(wire::AccessLogFrame{.tenant_id = "t"}), writing.get());
  writing.reset();
  const std::uint16_t port = worker.serve_tcp({backend.port()}, [](auto& s) { s.max_connections = 1; });
  {
    Client client(port);
    client.send("hello");
    CHECK(client.receive(5) == "hello");
    Client refused(port);
    CHECK(refused.receive_all().empty());
  }
  worker.counters([](const auto& t) { return t.closed_connections == 2; });
  worker.send(wire::FrameType::drain, to_json(wire::DrainFrame{.drain_timeout_ms = 0}));
  CHECK(worker.wait_for_exit() == 0);
  std::string log;
  std::array<char, 4096> part;
  for (ssize_t n; (n = ::read(reading.get(), part.data(), part.size())) > 0;)
    log.append(part.data(), static_cast<std::size_t>(n));
  CHECK(log.find(" 127.0.0.1 TCP_DENIED/000 0 - - - HIER_NONE/- -\n") != std::string::npos);
  const std::string target = "127.0.0.1:" + std::to_string(backend.port());
  CHECK(log.find(" 127.0.0.1 TCP_TUNNEL/200 5 CONNECT " + target + " - HIER_DIRECT/127.0.0.1 -\n") !=
        std::string::npos);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// The sanitizers want descriptors and system calls of their own.

TEST_CASE("descriptors: a worker without any left turns clients away and recovers") {
  TestWorker worker({.max_connections = 1000, .descriptors = 48});
  Server backend(echo());
  const std::uint16_t port = worker.serve_tcp({backend.port()});
  {
    std::vector<std::unique_ptr<Client>> crowd;
    for (int i = 0; i < 60; ++i) crowd.push_back(std::make_unique<Client>(port));
    crowd.front()->send("first");
    CHECK(crowd.front()->receive(5) == "first");
  }
  bool served = false;
  for (int i = 0; i < 100 && !served; ++i) {
    Client client(port);
    try {
      client.send("x");
    } catch (const std::exception&) {
      continue;
    }
    served = client.receive(1) == "x";
    if (!served) ::usleep(20'000);
  }
  CHECK(served);
}

TEST_CASE("sandbox: a confined worker serves as any other, names are looked up too") {
  FakeDns dns({{"backend.test", {INADDR_LOOPBACK}}});
  TestWorker worker({.threads = 2, .sandbox = "auto"});
  CHECK(worker.ready().no_new_privs);
  CHECK(worker.ready().seccomp);
  Server backend(echo());
  worker.send(wire::FrameType::resolver,
              to_json(wire::ResolverConfig{.resolv_conf = dns.resolv_conf(), .hosts = ""}));
  const std::uint16_t port =
      worker.serve_tcp({backend.port()}, [](auto& s) { s.backends.front().host = "backend.test"; });
  Client client(port);
  const std::string data(1 << 20, 'z');
  client.send(data);
  CHECK(client.receive(data.size()) == data);
  worker.send(wire::FrameType::status, "");
  const auto status = wire::from_json<wire::WorkerStatus>(worker.expect(wire::FrameType::status).body);
  CHECK(status.active_connections == 1);
  CHECK(status.open_fds > 5);
  client.close();
  ::kill(worker.pid(), SIGTERM);
  CHECK(worker.wait_for_exit() == 0);
}
#endif
