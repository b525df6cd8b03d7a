#include <doctest/doctest.h>
#include <signal.h>

#include "lib/daemon/listen_socket.h"
#include "lib/daemon/store.h"
#include "lib/daemon/supervisor.h"
#include "tests/unit/daemon/fixture.h"

using namespace arcus;
using namespace arcus::daemon;

namespace {

/// A supervisor over a real registry whose workers are fake ones (see fake_worker.h).
struct World : TestRegistry {
  explicit World(SupervisorOptions options = {}) : options_{std::move(options)} { start(); }
  ~World() { stop(); }

  void start() {
    store = std::make_unique<Store>(paths.db, catalog());
    supervisor = std::make_unique<Supervisor>(io, *store, catalog(), paths, options_);
    supervisor->reconcile();
  }
  void stop() {
    bool done = false;
    supervisor->shut_down(false, [&done] { done = true; });
    CHECK(run_until(io, [&done] { return done; }));
  }
  bool until(const std::function<bool()>& done) {
    return run_until(io, [&] {
      if (store->changed()) supervisor->reconcile();
      supervisor->tick();
      return done();
    });
  }
  bool reaches(const registry::Server& server, std::string_view status) {
    return until([&] {
      const auto now = state(server);
      return now.status == status &&
             now.observed_generation >=
                 number("SELECT generation FROM server WHERE id = '" + server.id + "'");
    });
  }
  Endpoint bound(const registry::Server& server) {
    const auto now = state(server);
    return {*IpAddress::parse(now.bound_addr.value_or("0.0.0.0")),
            static_cast<std::uint16_t>(now.bound_port.value_or(0))};
  }

  asio::io_context io;
  SupervisorOptions options_;
  std::unique_ptr<Store> store;
  std::unique_ptr<Supervisor> supervisor;
};

bool is_taken(const Endpoint& where) {
  try {
    open_listen_socket(where, 1);
    return false;
  } catch (const Error&) {
    return true;
  }
}

}  // namespace

TEST_CASE("supervisor: a server that is wanted runs, listens, and says where") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  CHECK(world.bound(server).port != 0);
  CHECK(is_taken(world.bound(server)));
  CHECK(world.supervisor->count().running == 1);
}

TEST_CASE("supervisor: stopped frees the port, started again takes it") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const Endpoint where = world.bound(server);
  world.set(server, {{"desired_state", "stopped"}});
  REQUIRE(world.reaches(server, "stopped"));
  CHECK_FALSE(is_taken(where));
  CHECK_FALSE(world.state(server).bound_port);
  world.set(server, {{"desired_state", "running"}, {"listen_port", std::to_string(where.port)}});
  REQUIRE(world.reaches(server, "running"));
  CHECK(world.bound(server) == where);
}

TEST_CASE("supervisor: a stop grants drain_timeout, or what was ordered just before, once") {
  World world;
  const auto server = world.add("acme", "web", {{"drain_timeout_ms", "1500"}});
  REQUIRE(world.reaches(server, "running"));
  const auto granted = [&] {
    world.set(server, {{"desired_state", "stopped"}});
    REQUIRE(world.reaches(server, "stopped"));
    REQUIRE(world.until([&] { return world.number("SELECT count(*) FROM event WHERE kind = 'limit'") > 0; }));
    const auto limit = world.number("SELECT CAST(detail AS INTEGER) FROM event WHERE kind = 'limit'");
    world.change([&] { world.db.exec("DELETE FROM event"); }, "daemon");
    world.set(server, {{"desired_state", "running"}});
    REQUIRE(world.reaches(server, "running"));
    return limit;
  };
  CHECK(granted() == 1500);
  world.supervisor->order_drain(server.id, std::chrono::hours{1});
  CHECK(granted() == 3'600'000);
  CHECK(granted() == 1500);
  world.supervisor->order_drain(server.id, std::chrono::hours{1}, std::chrono::milliseconds{0});
  CHECK(granted() == 1500);
}

TEST_CASE("supervisor: a server that drains can be hurried, one that runs cannot") {
  World world;
  const auto server = world.add("acme", "web", {{"config.x_linger", "1"}, {"drain_timeout_ms", "60000"}});
  REQUIRE(world.reaches(server, "running"));
  CHECK_FALSE(world.supervisor->hurry_drain(server.id, std::chrono::milliseconds{0}));
  world.set(server, {{"desired_state", "stopped"}});
  REQUIRE(world.until([&] { return world.state(server).status == "stopping"; }));
  CHECK(world.supervisor->hurry_drain(server.id, std::chrono::seconds{7}));
  CHECK(world.until([&] { return world.number("SELECT count(*) FROM event WHERE detail = '7000'") == 1; }));
  CHECK(world.state(server).status == "stopping");
  CHECK(world.supervisor->hurry_drain(server.id, std::chrono::milliseconds{0}));
  CHECK(world.reaches(server, "stopped"));
}

TEST_CASE("supervisor: one worker per tenant, and none for nothing") {
  World world;
  const auto a1 = world.add("a", "one");
  const auto a2 = world.add("a", "two");
  const auto b1 = world.add("b", "one");
  REQUIRE((world.reaches(a1, "running") && world.reaches(a2, "running") && world.reaches(b1, "running")));
  CHECK(world.supervisor->workers().size() == 2);
  world.set(b1, {{"desired_state", "stopped"}});
  REQUIRE(world.reaches(b1, "stopped"));
  CHECK(world.until([&] { return world.supervisor->workers().size() == 1; }));
  CHECK(world.state(a1).status == "running");
}

TEST_CASE("supervisor: configurations too large for one frame come in several") {
  World world{{.config_frame_size = 16 << 10}};
  std::vector<registry::Server> servers;
  for (int i = 0; i < 20; ++i)
    servers.push_back(world.add("acme", "s" + std::to_string(i),
                                {{"config.x_alone", "1"}, {"config.x_pad", std::string(8 << 10, 'p')}}));
  for (const auto& server : servers) REQUIRE(world.reaches(server, "running"));
  ::kill(world.supervisor->workers().front()->pid(), SIGKILL);
  REQUIRE(world.until([&] { return world.state(servers.front()).status == "error"; }));
  for (const auto& server : servers) REQUIRE(world.reaches(server, "running"));
}

TEST_CASE("supervisor: a dead worker is replaced, the sockets stay, its servers say why meanwhile") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const Endpoint where = world.bound(server);
  const pid_t first = world.supervisor->workers().front()->pid();
  ::kill(first, SIGKILL);
  REQUIRE(world.until([&] { return world.state(server).status == "error"; }));
  CHECK(world.state(server).last_error == "worker died: signal 9");
  CHECK(is_taken(where));
  REQUIRE(world.reaches(server, "running"));
  CHECK(world.bound(server) == where);
  CHECK(world.supervisor->workers().front()->pid() != first);
  CHECK_FALSE(world.state(server).last_error);
  CHECK(world.number("SELECT count(*) FROM event WHERE kind = 'worker_died'") == 1);
}

TEST_CASE("supervisor: an address that overlaps the old one on its port takes its place, and back") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const std::string port = std::to_string(world.bound(server).port);
  for (const char* address : {"0.0.0.0", "127.0.0.1", "::"}) {
    world.set(server, {{"listen_addr", address}, {"listen_port", port}, {"allow_open", "1"}});
    REQUIRE(world.until([&] { return world.bound(server).address == *IpAddress::parse(address); }));
    REQUIRE(world.reaches(server, "running"));
    CHECK(is_taken(world.bound(server)));
  }
}

TEST_CASE("supervisor: a busy port is an error that names the holder, and heals when the port is freed") {
  World world;
  auto holder = std::make_unique<ListenSocket>(open_listen_socket({*IpAddress::parse("127.0.0.1"), 0}, 1));
  const auto server = world.add("acme", "web", {{"listen_port", std::to_string(holder->bound.port)}});
  REQUIRE(world.reaches(server, "error"));
  CHECK(world.state(server).last_error->find("in use by ") != std::string::npos);
  holder.reset();
  CHECK(world.reaches(server, "running"));
}

TEST_CASE("supervisor: a configuration that the worker refuses leaves the last good one in force") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const Endpoint where = world.bound(server);
  world.set(server, {{"config.x_reject", "not with me"}});
  REQUIRE(world.reaches(server, "error"));
  CHECK(world.state(server).last_error == "config rejected: not with me");
  CHECK(is_taken(where));
  SUBCASE("it also goes to the next worker") {
    ::kill(world.supervisor->workers().front()->pid(), SIGKILL);
    REQUIRE(world.until([&] { return world.state(server).last_error == "worker died: signal 9"; }));
    CHECK(world.until([&] { return world.state(server).last_error == "config rejected: not with me"; }));
    CHECK(is_taken(where));
  }
  SUBCASE("a good one heals it") {
    world.set(server, {{"config.x_reject", std::nullopt}});
    CHECK(world.reaches(server, "running"));
  }
}

TEST_CASE("supervisor: an address that cannot be bound leaves the old listener") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const Endpoint where = world.bound(server);
  world.set(server, {{"listen_addr", "203.0.113.7"}, {"listen_port", std::to_string(where.port)}});
  REQUIRE(world.reaches(server, "error"));
  CHECK(world.state(server).last_error->find("this host has no such address") != std::string::npos);
  CHECK(is_taken(where));
}

TEST_CASE("supervisor: a row that got past the schema is refused alone") {
  World world;
  const auto good = world.add("acme", "good");
  const auto bad = world.add("acme", "bad");
  REQUIRE((world.reaches(good, "running") && world.reaches(bad, "running")));
  const auto since = world.state(good).status_since;
  world.db.script("PRAGMA ignore_check_constraints = 1");
  world.change([&] { world.db.exec("UPDATE server SET max_connections = -5 WHERE id = ?", bad.id); });
  REQUIRE(world.reaches(bad, "error"));
  CHECK(world.state(bad).last_error->starts_with("config rejected: "));
  CHECK(world.state(good).status_since == since);
}

TEST_CASE("supervisor: restart, reload, rename and a moved port are all seen through") {
  World world;
  auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const Endpoint where = world.bound(server);
  world.change([&] { server = registry::want_restart(world.db, server.id); });
  REQUIRE(world.reaches(server, "running"));
  CHECK(world.state(server).observed_restart_seq == server.restart_seq);
  CHECK(world.bound(server) == where);
  world.change([&] { server = registry::want_reload(world.db, server.id); });
  REQUIRE(world.until([&] { return world.state(server).observed_reload_seq == server.reload_seq; }));
  world.set(server, {{"listen_addr", "127.0.0.2"}, {"listen_port", std::to_string(where.port)}});
  REQUIRE(world.reaches(server, "running"));
  CHECK(world.bound(server) == Endpoint{*IpAddress::parse("127.0.0.2"), where.port});
  CHECK(world.until([&] { return !is_taken(where); }));
}

TEST_CASE("supervisor: a removed server frees its port and is forgotten") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const Endpoint where = world.bound(server);
  world.change([&] { registry::remove_server(world.db, server.id); });
  CHECK(world.until(
      [&] { return world.supervisor->count().total == 0 && world.supervisor->workers().empty(); }));
  CHECK_FALSE(is_taken(where));
}

TEST_CASE("supervisor: a disabled tenant's servers stop with that reason, and come back") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  world.change([&] { registry::set_tenant(world.db, server.tenant_id, {{"enabled", "false"}}); });
  REQUIRE(world.reaches(server, "stopped"));
  CHECK(world.state(server).status_reason == "tenant disabled");
  world.change([&] { registry::set_tenant(world.db, server.tenant_id, {{"enabled", "true"}}); });
  CHECK(world.reaches(server, "running"));
}

TEST_CASE("supervisor: without auto-start servers are held until their row changes") {
  SupervisorOptions options;
  options.auto_start = false;
  World world{options};
  world.stop();
  const auto server = world.add("acme", "web");
  world.start();
  REQUIRE(world.reaches(server, "stopped"));
  CHECK(world.state(server).status_reason == "held by --no-auto-start");
  world.set(server, {{"description", "now"}});
  CHECK(world.reaches(server, "running"));
}

TEST_CASE("supervisor: a worker that dies of its configuration is retried, never given up, others go on") {
  World world;
  const auto good = world.add("good", "web");
  const auto bad = world.add("bad", "web", {{"config.x_die", "1"}});
  REQUIRE(world.reaches(good, "running"));
  REQUIRE(world.until(
      [&] { return world.number("SELECT count(*) FROM event WHERE kind = 'worker_died'") >= 3; }));
  CHECK(world.state(bad).last_error == "worker died: exit code 7");
  CHECK(world.state(good).status == "running");
  world.set(bad, {{"config.x_die", std::nullopt}});
  CHECK(world.reaches(bad, "running"));
}

TEST_CASE("supervisor: a change of the worker's resources moves the listener to another process") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  const pid_t first = world.supervisor->workers().front()->pid();
  const Endpoint where = world.bound(server);
  world.change([&] { registry::set_tenant(world.db, server.tenant_id, {{"worker_threads", "3"}}); });
  REQUIRE(world.until([&] {
    return world.supervisor->workers().size() == 1 && world.supervisor->workers().front()->pid() != first;
  }));
  REQUIRE(world.reaches(server, "running"));
  CHECK(world.bound(server) == where);
}

TEST_CASE("supervisor: told to stop while everything is still starting, it starts nothing more and ends") {
  World world;
  for (int i = 0; i < 5; ++i) world.add("t" + std::to_string(i), "web");
  world.supervisor->reconcile();
  CHECK(world.supervisor->workers().size() == 5);
  world.stop();
  CHECK(world.supervisor->workers().empty());
  world.supervisor->reconcile();
  CHECK(world.supervisor->workers().empty());
}

TEST_CASE("supervisor: a renamed tenant's access log moves to its new name") {
  World world;
  const auto server = world.add("acme", "web");
  REQUIRE(world.reaches(server, "running"));
  CHECK(std::filesystem::exists(world.paths.access_log("acme")));
  world.change([&] { registry::rename_tenant(world.db, server.tenant_id, "emca"); });
  CHECK(world.until([&] { return std::filesystem::exists(world.paths.access_log("emca")); }));
}

TEST_CASE("supervisor: a worker that shut the sockets before it ended does not leave a deaf server") {
  World world;
  const auto any = world.add("acme", "any");
  const auto fixed = world.add("acme", "fixed", {{"listen_addr", "127.0.0.3"}});
  REQUIRE((world.reaches(any, "running") && world.reaches(fixed, "running")));
  const auto port = std::to_string(world.bound(fixed).port);
  world.set(fixed, {{"listen_addr", "127.0.0.4"}, {"listen_port", port}});
  REQUIRE(world.until([&] { return world.bound(fixed).address == *IpAddress::parse("127.0.0.4"); }));
  const pid_t first = world.supervisor->workers().front()->pid();
  world.supervisor->set_log_filter("warn,shutdown=debug");
  REQUIRE(world.until([&] {
    const pid_t now = world.supervisor->workers().front()->pid();
    return now > 0 && now != first;
  }));
  REQUIRE((world.reaches(any, "running") && world.reaches(fixed, "running")));
  CHECK(is_taken(world.bound(any)));
  CHECK(is_taken(world.bound(fixed)));
  CHECK(std::to_string(world.bound(fixed).port) == port);
}

// threats: worker-lies
TEST_CASE("supervisor: a worker that was taken over is believed about its own servers alone") {
  World world;
  const auto other = world.add("globex", "db");
  std::string backend;
  world.change([&] {
    world.db.exec("INSERT INTO backend (tenant_id, server_id, address) VALUES (?, ?, '127.0.0.1:9')",
                  other.tenant_id, other.id);
    auto st = world.db.query("SELECT id FROM backend");
    st.step();
    backend = st.column<std::string>(0);
  });
  REQUIRE(world.reaches(other, "running"));
  const auto own = world.add("acme", "web", {{"config.x_lie", other.id + " " + backend}});
  REQUIRE(world.reaches(own, "running"));
  REQUIRE(
      world.until([&] { return world.number("SELECT count(*) FROM audit WHERE action = 'refused'") > 0; }));
  CHECK(world.number("SELECT count(*) FROM audit WHERE action = 'refused'") == 1);
  CHECK(world.number(
            "SELECT count(*) FROM audit WHERE action = 'refused' AND object = 'acme/web' AND via = 'daemon' "
            "AND after ->> 'reason' = 'acl_denied' AND after ->> 'client' = '192.0.2.0/24' AND after ->> "
            "'count' = 17") == 1);
  CHECK(world.number("SELECT count(*) FROM backend_state WHERE state = 'down'") == 0);
  CHECK(world.state(other).status == "running");
}

// threats: worker-lies
TEST_CASE("supervisor: a worker that says without end is killed, others go on") {
  World world{{.most_events = 500}};
  const auto good = world.add("good", "web");
  REQUIRE(world.reaches(good, "running"));
  const auto bad = world.add("bad", "web", {{"config.x_chatter", "1"}});
  REQUIRE(world.until([&] {
    return world.number(
               "SELECT count(*) FROM event WHERE kind = 'worker_died' AND detail LIKE '%more than a "
               "worker%'") > 0;
  }));
  CHECK(world.state(good).status == "running");
  world.set(bad, {{"desired_state", "stopped"}});
  CHECK(world.number("SELECT count(*) FROM event WHERE kind = 'limit'") <= 500 * 3);
}
