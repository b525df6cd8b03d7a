#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "lib/daemon/backoff.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/detach.h"
#include "lib/daemon/health_poller.h"
#include "lib/daemon/paths.h"
#include "lib/daemon/port_holder.h"
#include "lib/daemon/process_usage.h"
#include "lib/daemon/resolver_facts.h"
#include "lib/daemon/worker_log.h"
#include "tests/unit/daemon/support.h"

using namespace arcus;
using namespace arcus::daemon;
using namespace std::chrono_literals;

TEST_CASE("paths: the system's registry, the user's, and any other with everything beside itself") {
  const Surroundings user{
      .home = "/home/bob", .xdg_data_home = "", .xdg_state_home = "", .xdg_runtime_dir = "/run/user/1000"};
  const Paths system = paths_for("/var/lib/arcus/arcus.db", user);
  CHECK(system.run_dir == "/run/arcus");
  CHECK(system.log_dir == "/var/log/arcus");
  const Paths own = paths_for("/home/bob/.local/share/arcus/arcus.db", user);
  CHECK(own.run_dir == "/run/user/1000/arcus");
  CHECK(own.log_dir == "/home/bob/.local/state/arcus/log");
  const Paths other = paths_for("/tmp/x/a.db", user);
  CHECK(other.run_dir == "/tmp/x/a.db.run");
  CHECK(other.log_dir == "/tmp/x/a.db.log");
  CHECK(other.lock == "/tmp/x/a.db.lock");
  CHECK(other.access_log("acme") == "/tmp/x/a.db.log/acme/access.log");
}

TEST_CASE("paths: a socket path of 107 bytes is kept, a longer one is replaced by one that fits") {
  const Surroundings around{
      .home = "/h", .xdg_data_home = "", .xdg_state_home = "", .xdg_runtime_dir = "/run/u"};
  const auto with_length = [](std::size_t length) {  // of the socket's path
    return "/tmp/" + std::string(length - 5 - 5, 'x');
  };
  CHECK(paths_for(with_length(107), around).socket.native().size() == 107);
  const auto replaced = paths_for(with_length(108), around).socket;
  CHECK(replaced.native().starts_with("/run/u/arcus/"));
  CHECK(replaced.native().size() <= max_socket_path);
  CHECK(replaced != paths_for(with_length(109), around).socket);
}

TEST_CASE("back-off: at once, then doubling from 100 ms to 30 s, from the start after a minute of success") {
  Backoff backoff;
  CHECK(backoff.next(0ms) == 0ms);
  CHECK(backoff.next(0ms) == 100ms);
  CHECK(backoff.next(59s) == 200ms);
  for (int i = 0; i < 20; ++i) backoff.next(0ms);
  CHECK(backoff.next(0ms) == 30s);
  CHECK(backoff.next(60s) == 0ms);
  CHECK(backoff.next(0ms) == 100ms);
}

TEST_CASE("port holder: lines of /proc/net/tcp and tcp6") {
  const auto v4 = parse_listening_line(
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 "
      "100");
  REQUIRE(v4);
  CHECK(v4->address == "127.0.0.1");
  CHECK(v4->port == 8080);
  CHECK(v4->inode == 4242);
  const auto v6 = parse_listening_line(
      "   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 "
      "00:00000000 00000000     0        0 77 1 0 100");
  REQUIRE(v6);
  CHECK(v6->address == "::1");
  CHECK(v6->port == 80);
  for (const char* bad : {"", "  sl  local_address rem_address   st", "0: 0100007F:1F90", "0: zz:1 a:b 0A",
                          "0: 0100007F:1F90 0:0 01 0:0 0:0 0 0 0 4242"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_listening_line(bad));
  }
}

TEST_CASE("port holder: which listeners are in each other's way") {
  CHECK(addresses_overlap("127.0.0.1", "127.0.0.1"));
  CHECK(addresses_overlap("0.0.0.0", "127.0.0.1"));
  CHECK(addresses_overlap("127.0.0.1", "0.0.0.0"));
  CHECK(addresses_overlap("::", "127.0.0.1"));
  CHECK_FALSE(addresses_overlap("127.0.0.1", "127.0.0.2"));
  CHECK_FALSE(addresses_overlap("0.0.0.0", "::1"));
}

TEST_CASE("ready: the sentence people and scripts read") {
  CHECK(daemon::Ready{.pid = 4021, .count = {.total = 24, .running = 23, .error = 1}}.to_string() ==
        "pid 4021, 23 of 24 servers running, 1 error");
  CHECK(daemon::Ready{.pid = 1, .count = {.total = 1, .running = 1}}.to_string() ==
        "pid 1, 1 of 1 server running");
}

TEST_CASE("health: the verdict on one probe") {
  const HealthTarget target{.max_connections = 100, .backends = 2, .backends_down = 0};
  HealthTarget one_down = target;
  one_down.backends_down = 1;
  HealthTarget all_down = target;
  all_down.backends_down = 2;
  const ProbeResult good{.ok = true};
  CHECK(judge(target, good, 90).health == "healthy");
  CHECK(judge(target, good, 91).health == "degraded");
  CHECK(judge(one_down, good, 0).detail == "1 of 2 backends are down");
  CHECK(judge(all_down, good, 0).health == "degraded");
  CHECK(judge(target, {.ok = false, .error = "no answer in time"}, 0).health == "unhealthy");
  CHECK(judge(target, {.ok = false, .error = "no answer in time"}, 0).detail == "no answer in time");
}

TEST_CASE("worker log: a line is taken apart, whatever else is written is an error as it stands") {
  const auto line =
      parse_worker_line("2026-11-23T00:39:17.822Z warn listener: accept_failed error=\"too many\" n=1");
  CHECK(line.level == LogLevel::warn);
  CHECK(line.module == "listener");
  CHECK(line.event == "accept_failed");
  CHECK(line.fields == "error=\"too many\" n=1");
  for (const char* other :
       {"", "terminate called", "==1==ERROR: AddressSanitizer: x", "a info", "a info b c"}) {
    CAPTURE(other);
    CHECK(parse_worker_line(other).level == LogLevel::error);
    CHECK(parse_worker_line(other).event == other);
  }
}

TEST_CASE(
    "worker log: lines reach the daemon's log, also the last one without an end, control bytes escaped") {
  const TestFolder folder;
  const std::string path = folder.path / "log";
  const UniqueFd log = open_log(path);
  set_log({.fd = log.get(), .filter = "info"});
  asio::io_context io;
  auto [reading, writing] = make_log_pipe();
  {
    const WorkerLog lines{io, std::move(reading), "tenant:x"};
    const std::string text = "t info worker: terminating n=1\nt debug worker: hidden\nab\033c";
    REQUIRE(::write(writing.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  set_log({.filter = "warn"});
  std::ifstream in{path};
  const std::string all{std::istreambuf_iterator<char>{in}, {}};
  CHECK(all.find("info worker: terminating n=1 group=tenant:x\n") != std::string::npos);
  CHECK(all.find("hidden") == std::string::npos);
  CHECK(all.find("error worker: ab\\x1Bc group=tenant:x\n") != std::string::npos);
}

TEST_CASE("process usage: our own figures are there, nobody's are zero") {
  CHECK(process_usage(::getpid()).rss_bytes > 100'000);
  CHECK(process_usage(-1).rss_bytes == 0);
  CHECK(own_open_fds() >= 3);
}

TEST_CASE("resolver facts: the texts as they are, missing files read as empty") {
  const TestFolder folder;
  std::ofstream{folder.path / "resolv"} << "nameserver 127.0.0.53\n";
  const auto facts = read_resolver_facts(folder.path / "resolv", folder.path / "missing");
  CHECK(facts.resolv_conf == "nameserver 127.0.0.53\n");
  CHECK(facts.hosts.empty());
  CHECK(std::ranges::find(facts.local_addresses, "127.0.0.1") != facts.local_addresses.end());
}
