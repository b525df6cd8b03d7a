#include "lib/registry/retention.h"

#include <doctest/doctest.h>

#include "lib/registry/audit_chain.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

using std::chrono::hours;

TEST_CASE("retention: audit rows go once a day's worth is old, in pieces, and what stays verifies") {
  Registry r;
  for (int i = 0; i < 4; ++i) r.add_tenant("t" + std::to_string(i));
  // Rows of one statement have one time.
  r.write([&] { r.db().exec("UPDATE tenant SET description = 'x'"); });
  r.write([&] { CHECK(seal_audit(r.db(), 100) == 8); }, "daemon");
  const Retention kept{.audit = hours{1}};
  const WallTime now = wall_now();
  std::int64_t gone = -1;
  const auto prune = [&](WallTime at, std::int64_t most) {
    r.write([&] { gone = prune_old_audit(r.db(), kept, at, most); }, "daemon");
    return gone;
  };
  CHECK(prune(now + hours{12}, 100) == 0);
  CHECK(prune(now - hours{1}, 100) == 0);
  std::int64_t all = 0;
  for (int turn = 0; turn < 10 && all < 8; ++turn) all += prune(now + hours{26}, 2);
  CHECK(all == 8);
  CHECK(check_audit(r.db()).faults.empty());
  CHECK(r.number("SELECT count(*) > 0 FROM audit WHERE action = 'audit.prune'") == 1);
  Retention for_ever{.audit = hours{0}};
  r.write([&] { CHECK(prune_old_audit(r.db(), for_ever, now + hours{1000}, 100) == 0); }, "daemon");
}

TEST_CASE(
    "retention: old events go, young ones stay wherever they stand, also before rows of a wrong clock") {
  Registry r;
  const auto add = [&](const std::string& at) {
    r.write([&] { r.db().exec("INSERT INTO event (kind, object, at) VALUES ('limit', 'x', ?)", at); },
            "daemon");
  };
  const WallTime now = wall_now();
  const std::int64_t before = r.number("SELECT count(*) FROM event");
  add(to_text(now - hours{24 * 31}));
  add(to_text(now - hours{1}));
  add("1970-01-01T00:00:00.000Z");
  Garbage gone;
  r.write([&] { gone = remove_old_events(r.db(), {}, now, 100); });
  CHECK(gone.events == 2);
  CHECK(r.number("SELECT count(*) FROM event") == before + 1);
  CHECK(r.text("SELECT max(at) FROM event") >= to_text(now - hours{1}));
  r.write([&] { gone = remove_old_events(r.db(), {.events = hours{0}}, now + hours{1000}, 100); });
  CHECK(gone.events == 0);
}

}  // namespace arcus::registry
