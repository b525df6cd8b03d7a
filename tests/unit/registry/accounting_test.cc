#include <doctest/doctest.h>

#include "lib/registry/accounting.h"
#include "lib/registry/stats.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

namespace {
struct Books {
  Books() {
    tenant = r.add_tenant("acme");
    web = r.add_http("acme", "web");
    begin("one");
  }
  void begin(const std::string& incarnation) {
    r.write(
        [&] {
          add_incarnation(r.db(), {incarnation, "tenant:x", "/nowhere/" + incarnation, "", false});
        },
        "daemon");
  }
  void put(const std::string& incarnation, std::uint64_t requests) {
    ServerCounts counts{.server_id = web.id,
                        .tenant_id = tenant.id,
                        .total_connections = requests,
                        .closed_connections = requests - 1,
                        .total_requests = requests,
                        .bytes_in = 10 * requests};
    counts.response_time_sum_us = 1000 * requests;
    counts.response_time_count = requests;
    counts.histogram = {0, requests};
    counts.reasons = {{"ok", requests}};
    r.write([&] { put_counts(r.db(), incarnation, {counts}); }, "daemon");
  }
  void fold(const std::string& incarnation) {
    r.write([&] { fold_incarnation(r.db(), incarnation); }, "daemon");
  }
  Registry r;
  Tenant tenant;
  Server web;
};
}  // namespace

TEST_CASE("accounting: writing the same absolute counts again changes nothing") {
  Books b;
  b.put("one", 5);
  b.put("one", 5);
  CHECK(server_stats(b.r.db(), b.web.id).total_requests == 5);
  b.put("one", 9);
  CHECK(server_stats(b.r.db(), b.web.id).total_requests == 9);
}

TEST_CASE("accounting: lives of a worker add up, and folding happens exactly once") {
  Books b;
  b.put("one", 5);
  b.begin("two");
  b.put("two", 7);
  b.fold("one");
  b.fold("one");
  CHECK(server_stats(b.r.db(), b.web.id).total_requests == 12);
  b.fold("two");
  const ServerStats stats = server_stats(b.r.db(), b.web.id);
  CHECK(stats.total_requests == 12);
  CHECK(stats.bytes_in == 120);
  CHECK(stats.reasons == std::vector<std::pair<std::string, std::int64_t>>{{"ok", 12}});
  CHECK(b.r.number("SELECT count(*) FROM server_counter") == 1);
  CHECK(b.r.text("SELECT histogram FROM server_counter") == "[0,12]");
  CHECK(b.r.number("SELECT total_connections - closed_connections FROM server_counter") == 0);
}

TEST_CASE("accounting: fold, put, fold: what comes late for a folded life is not counted again") {
  Books b;
  b.put("one", 5);
  b.fold("one");
  b.put("one", 7);
  CHECK(server_stats(b.r.db(), b.web.id).total_requests == 5);
  CHECK(b.r.number("SELECT count(*) FROM server_reason WHERE incarnation = 'one'") == 0);
  b.fold("one");
  CHECK(server_stats(b.r.db(), b.web.id).total_requests == 5);
}

TEST_CASE("accounting: a life that is marked folded is never added to the sums again, rows or not") {
  Books b;
  b.put("one", 5);
  b.fold("one");
  // As a daemon without the guard in put_counts would leave it.
  b.r.write(
      [&] {
        b.r.db().exec(
            "INSERT INTO server_counter (server_id, incarnation, tenant_id, total_requests) VALUES (?, "
            "'one', "
            "?, 7)",
            b.web.id, b.tenant.id);
      },
      "daemon");
  b.fold("one");
  CHECK(b.r.number("SELECT total_requests FROM server_counter WHERE incarnation = ''") == 5);
}

TEST_CASE("accounting: a life that nobody began is not counted") {
  Books b;
  b.put("two", 5);
  CHECK(b.r.number("SELECT count(*) FROM server_counter") == 0);
}

TEST_CASE("accounting: a removed server's totals stay with its tenant, late counts included") {
  Books b;
  b.put("one", 5);
  b.r.write([&] { remove_server(b.r.db(), b.web.id); });
  CHECK(tenant_stats(b.r.db(), b.tenant.id).total_requests == 5);
  b.put("one", 8);
  CHECK(tenant_stats(b.r.db(), b.tenant.id).total_requests == 8);
  b.fold("one");
  CHECK(tenant_stats(b.r.db(), b.tenant.id).total_requests == 8);
  CHECK(registry_stats(b.r.db()).total_requests == 8);
  CHECK(b.r.number("SELECT count(*) FROM server_counter") == 0);
  CHECK(b.r.number("SELECT count(*) FROM server_reason") == 0);
  CHECK(b.r.number("SELECT removed_servers FROM tenant_counter") == 1);
}

TEST_CASE("accounting: the file of a folded incarnation is forgotten, never that of a live one") {
  Books b;
  b.r.write([&] { remove_incarnation(b.r.db(), "one"); }, "daemon");
  CHECK(list_incarnations(b.r.db()).size() == 1);
  b.fold("one");
  CHECK(list_incarnations(b.r.db())[0].folded);
  b.r.write([&] { remove_incarnation(b.r.db(), "one"); }, "daemon");
  CHECK(list_incarnations(b.r.db()).empty());
}

TEST_CASE("accounting: mean and percentiles come from what was counted") {
  Books b;
  CHECK_FALSE(server_stats(b.r.db(), b.web.id).p50_ms);
  CHECK_FALSE(server_stats(b.r.db(), b.web.id).avg_response_time_ms);
  b.put("one", 10);
  const ServerStats stats = server_stats(b.r.db(), b.web.id);
  CHECK(stats.avg_response_time_ms == doctest::Approx(1.0));
  REQUIRE(stats.p50_ms);
  CHECK(*stats.p50_ms > 0.032);
  CHECK(*stats.p50_ms < *stats.p99_ms);
  CHECK(*stats.p99_ms <= 0.0453);
}

}  // namespace arcus::registry
