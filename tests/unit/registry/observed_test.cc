#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/registry/desired.h"
#include "lib/registry/observed.h"
#include "lib/registry/view.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

static void start_daemon(Registry& r, std::string heartbeat) {
  r.write([&] { put_daemon(r.db(), {.pid = 1, .heartbeat_at = std::move(heartbeat)}); }, "daemon");
}

TEST_CASE("observed: only the daemon writes, a person is told what to set instead") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  CHECK_THROWS_WITH(r.write([&] { put_server_state(r.db(), {.server_id = web.id, .status = "running"}); }),
                    doctest::Contains("set server.desired_state"));
  CHECK_NOTHROW(
      r.write([&] { put_server_state(r.db(), {.server_id = web.id, .status = "running"}); }, "daemon"));
}

TEST_CASE("observed: without a fresh heartbeat nothing runs, whatever the rows say") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  r.write([&] { put_server_state(r.db(), {.server_id = web.id, .status = "running"}); }, "daemon");
  CHECK(r.text("SELECT status || ' ' || reason FROM servers") == "stopped no daemon");
  start_daemon(r, now_text());
  CHECK(r.text("SELECT status FROM servers") == "running");
  start_daemon(r, to_text(wall_now() - std::chrono::seconds{31}));
  CHECK(r.text("SELECT status || ' ' || reason FROM servers") == "stopped no daemon");
  start_daemon(r, now_text());
  r.write([&] { remove_daemon(r.db()); }, "daemon");
  CHECK(r.text("SELECT problem FROM problems").find("no daemon") != std::string::npos);
}

TEST_CASE("observed: a change of status is an event, its time stays until the next change") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  const auto put = [&](std::string status, std::string since) {
    r.write([&] { put_server_state(r.db(), {.server_id = web.id, .status = status, .status_since = since}); },
            "daemon");
  };
  put("running", "2026-01-01T00:00:00.000Z");
  put("running", "2026-01-02T00:00:00.000Z");
  CHECK(server_state(r.db(), web.id).status_since == "2026-01-01T00:00:00.000Z");
  put("error", "2026-01-03T00:00:00.000Z");
  CHECK(r.number("SELECT count(*) FROM event WHERE kind = 'status'") == 2);
}

TEST_CASE("observed: health transitions become history, a stopped server has no health") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  start_daemon(r, now_text());
  r.write([&] { put_server_state(r.db(), {.server_id = web.id, .status = "running"}); }, "daemon");
  for (int i = 0; i < 3; ++i)
    r.write(
        [&] {
          put_health(r.db(), {{.server_id = web.id, .health = "healthy", .detail = {}, .latency_ms = 0.4}});
        },
        "daemon");
  CHECK(r.number("SELECT count(*) FROM health_event") == 1);
  CHECK(r.text("SELECT health FROM servers") == "healthy");
  r.write([&] { put_server_state(r.db(), {.server_id = web.id, .status = "stopped"}); }, "daemon");
  CHECK(r.text("SELECT health FROM servers") == "-");
  // The answer to a probe that was under way when it stopped.
  r.write(
      [&] {
        put_health(r.db(), {{.server_id = web.id, .health = "healthy", .detail = {}, .latency_ms = 0.4}});
      },
      "daemon");
  CHECK(r.text("SELECT health FROM servers") == "-");
  CHECK(r.number("SELECT count(*) FROM health_event") == 1);
}

TEST_CASE("observed: state of a server that is gone is passed over") {
  Registry r;
  CHECK_NOTHROW(r.write([&] { put_server_state(r.db(), {.server_id = "000000000000", .status = "running"}); },
                        "daemon"));
  CHECK(r.number("SELECT count(*) FROM server_state") == 0);
}

TEST_CASE("desired: one load has tenants, servers, backends and rules where they belong") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  const Desired desired = load_desired(r.db());
  REQUIRE(desired.servers.size() == 1);
  CHECK(desired.servers[0].server.id == web.id);
  CHECK(desired.servers[0].state.status == "stopped");
  CHECK(desired.tenants.size() == 1);
}

TEST_CASE("views: the columns of the machine's views are the canonical words") {
  Registry r;
  r.add_tenant("acme");
  r.add_http("acme", "web");
  const Rows rows = servers_full(r.db());
  for (const char* name :
       {"id", "tenant", "name", "type", "listen", "desired_state", "status", "max_connections",
        "total_requests", "total_bytes_transferred", "avg_response_time_ms", "error_count"}) {
    CAPTURE(name);
    CHECK(rows.column(name) != std::string::npos);
  }
  for (const char* view : {"backends", "changes", "events", "health", "problems", "registry", "rules",
                           "servers", "settings", "tenants", "traffic"})
    CHECK_NOTHROW(people_view(r.db(), view));
  CHECK_THROWS_AS(people_view(r.db(), "sqlite_schema"), Error);
}

}  // namespace arcus::registry
