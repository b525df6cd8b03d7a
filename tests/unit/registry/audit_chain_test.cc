#include "lib/registry/audit_chain.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/crypto/sha256.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

/// A registry with `changes` sealed audit rows, numbered from 1.
static void fill_audit(Registry& r, int changes) {
  for (int i = 0; i < changes; ++i) r.add_tenant("t" + std::to_string(i));
  r.write([&] { CHECK(seal_audit(r.db(), 1'000) == changes); }, "daemon");
}

/// What someone does who may write the file and knows the triggers.
static void tamper(Registry& r, std::string_view sql) {
  for (const char* trigger : {"audit_no_insert", "audit_in_order", "audit_no_update", "audit_no_delete",
                              "audit_chain_no_update", "audit_chain_no_delete"})
    r.db().exec("DROP TRIGGER IF EXISTS " + std::string{trigger});
  r.db().exec(sql);
}

static std::vector<std::int64_t> faulty(Registry& r) {
  std::vector<std::int64_t> ids;
  for (const AuditFault& fault : check_audit(r.db()).faults) ids.push_back(fault.id);
  return ids;
}

using Ids = std::vector<std::int64_t>;

TEST_CASE("sha256: FIPS 180-4's examples") {
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("audit chain: rows are sealed once, in order, the newest wait") {
  Registry r;
  CHECK_FALSE(has_unsealed_audit(r.db()));
  for (const char* name : {"a", "b", "c", "d", "e"}) r.add_tenant(name);
  CHECK(has_unsealed_audit(r.db()));
  r.write([&] { CHECK(seal_audit(r.db(), 2) == 2); }, "daemon");
  AuditCheck check = check_audit(r.db());
  CHECK(check.faults.empty());
  CHECK((check.rows == 5 && check.sealed == 2 && check.unsealed == 3 && check.last_id == 2));
  r.write([&] { CHECK(seal_audit(r.db(), 100) == 3); }, "daemon");
  r.write([&] { CHECK(seal_audit(r.db(), 100) == 0); }, "daemon");
  CHECK_FALSE(has_unsealed_audit(r.db()));
  check = check_audit(r.db());
  CHECK((check.faults.empty() && check.sealed == 5 && check.unsealed == 0 && check.last_id == 5));
  CHECK(check.last_seal == r.text("SELECT seal FROM audit WHERE id = 5"));
  CHECK(r.number("SELECT count(DISTINCT seal) FROM audit") == 5);
}

TEST_CASE("audit chain: the encoding is the manual's") {
  Registry r;
  fill_audit(r, 2);
  std::string expected;
  for (const char* id : {"1", "2"}) {
    std::string text = expected;
    for (const char* column : {"id", "at", "actor", "via", "action", "tenant", "object", "object_id",
                               "before", "after", "reason"}) {
      const std::string where = std::string{" FROM audit WHERE id = "} + id;
      text += r.number("SELECT " + std::string{column} + " IS NULL" + where) != 0
                  ? "-"
                  : std::to_string(r.text("SELECT " + std::string{column} + where).size()) + ":" +
                        r.text("SELECT " + std::string{column} + where);
    }
    expected = sha256_hex(text);
  }
  CHECK(check_audit(r.db()).last_seal == expected);
}

// threats: audit-forged
TEST_CASE(
    "audit chain: nobody can change, remove, forge or seal rows; the daemon can seal, once and in order") {
  Registry r;
  fill_audit(r, 3);
  r.add_tenant("late");
  const std::vector<std::string> never{
      "UPDATE audit SET actor = 'me' WHERE id = 1",
      "UPDATE audit SET actor = 'me' WHERE id = 4",
      "UPDATE audit SET seal = 'x' WHERE id = 1",
      "UPDATE audit SET seal = NULL WHERE id = 1",
      "DELETE FROM audit WHERE id = 1",
      "DELETE FROM audit WHERE id = 4",
      "INSERT INTO audit (seal, actor, via, action, object, object_id) VALUES ('', 'a', 'b', 'c', 'd', 'e')",
      "REPLACE INTO audit (id, actor, via, action, object, object_id) VALUES (4, 'a', 'b', 'c', 'd', 'e')",
      "REPLACE INTO audit (id, actor, via, action, object, object_id) VALUES (1, 'a', 'b', 'c', 'd', 'e')",
      "INSERT INTO audit (id, actor, via, action, object, object_id) VALUES (6, 'a', 'b', 'c', 'd', 'e')",
      "INSERT INTO audit (id, actor, via, action, object, object_id) VALUES (0, 'a', 'b', 'c', 'd', 'e')",
      "INSERT INTO audit (id, actor, via, action, object, object_id) VALUES (-5, 'a', 'b', 'c', 'd', 'e')",
      "INSERT INTO audit (id, actor, via, action, object, object_id) VALUES (9223372036854775807, 'a', 'b', "
      "'c', "
      "'d', 'e')",
      "INSERT INTO audit (at, actor, via, action, object, object_id) VALUES ('9999', 'a', 'b', 'c', 'd', "
      "'e')",
      "INSERT INTO audit (before, actor, via, action, object, object_id) VALUES ('x', 'a', 'b', 'c', 'd', "
      "'e')",
      "INSERT INTO audit_chain (id) VALUES (1)",
      "REPLACE INTO audit_chain (id) VALUES (1)",
      "DELETE FROM audit_chain",
      "UPDATE audit_chain SET sealed_id = 2, seal = (SELECT seal FROM audit WHERE id = 2)",
      "UPDATE audit_chain SET sealed_id = 4, seal = 'x'",
      "UPDATE audit_chain SET seal = 'x'",
      "UPDATE audit_chain SET pruned_id = 2, pruned_seal = 'x'",
      "UPDATE audit_chain SET pruned_id = 4, pruned_seal = NULL"};
  for (const std::string via : {"cli", "sql", "daemon"}) {
    CAPTURE(via);
    for (const std::string& sql : never) {
      CAPTURE(sql);
      CHECK_THROWS_AS(r.write([&] { r.db().exec(sql); }, via), Error);
    }
    if (via != "daemon")
      CHECK_THROWS_AS(r.write([&] { r.db().exec("UPDATE audit SET seal = 'x' WHERE id = 4"); }, via), Error);
  }
  CHECK(faulty(r).empty());
  CHECK(r.number("SELECT count(*) FROM audit") == 4);
}

TEST_CASE("audit chain: a context that was left behind stops nobody") {
  Registry r;
  r.db().exec("INSERT INTO audit_context VALUES (1, 'x', 'daemon', NULL)");
  r.add_tenant("a");
  CHECK(r.text("SELECT actor FROM audit") == "tester");
  CHECK(r.number("SELECT count(*) FROM audit_context") == 0);
}

TEST_CASE("audit chain: a trigger that could swallow rows is named") {
  Registry r;
  fill_audit(r, 1);
  r.db().exec("CREATE TRIGGER x_q BEFORE INSERT ON audit BEGIN SELECT RAISE(IGNORE); END");
  CHECK(check_audit(r.db()).faults.front().problem.find("'x_q'") != std::string::npos);
}

TEST_CASE("audit chain: any one value that is changed is found, at its row") {
  for (const char* column :
       {"at", "actor", "via", "action", "tenant", "object", "object_id", "before", "after", "reason"}) {
    for (const int id : {1, 3, 5}) {
      for (const char* value : {"'x'", "NULL"}) {
        const std::string name = column;
        const bool needed = name != "tenant" && name != "before" && name != "after" && name != "reason";
        if (needed && value[0] == 'N') continue;
        Registry r;
        fill_audit(r, 5);
        const std::string is = "SELECT count(*) FROM audit WHERE id = " + std::to_string(id) + " AND " + name;
        if (r.number(is + " IS " + value) == 1) continue;
        CAPTURE(column);
        tamper(r, "UPDATE audit SET " + name + " = " + value + " WHERE id = " + std::to_string(id));
        CHECK(faulty(r) == Ids{id});
      }
    }
  }
}

TEST_CASE("audit chain: values that trade bytes with their neighbours are found") {
  Registry r;
  fill_audit(r, 3);
  tamper(r, "UPDATE audit SET actor = actor || substr(via, 1, 1), via = substr(via, 2) WHERE id = 2");
  CHECK(faulty(r) == Ids{2});
}

TEST_CASE("audit chain: what is removed, moved, added or made anew is found") {
  Registry r;
  fill_audit(r, 5);
  const auto after = [&](std::string_view sql) {
    tamper(r, sql);
    return faulty(r);
  };
  SUBCASE("the first") { CHECK(after("DELETE FROM audit WHERE id = 1") == Ids{2}); }
  SUBCASE("one between") { CHECK(after("DELETE FROM audit WHERE id = 3") == Ids{4}); }
  SUBCASE("the last") { CHECK(after("DELETE FROM audit WHERE id = 5") == Ids{5}); }
  SUBCASE("all") { CHECK(after("DELETE FROM audit") == Ids{5}); }
  SUBCASE("two that changed places") {
    tamper(r, "UPDATE audit SET id = 100 WHERE id = 2");
    tamper(r, "UPDATE audit SET id = 2 WHERE id = 3");
    CHECK(after("UPDATE audit SET id = 3 WHERE id = 100") == Ids{2, 3, 4});
  }
  SUBCASE("one that moved to the end") {
    CHECK(after("UPDATE audit SET id = 9 WHERE id = 2") == Ids{3, 9, 9});
  }
  SUBCASE("one put between") {
    tamper(r, "UPDATE audit SET id = 50 WHERE id = 5");
    CHECK(after("INSERT INTO audit (id, actor, via, action, object, object_id) VALUES (7, 'a', 'b', 'c', "
                "'d', 'e')") == Ids{7, 50, 50});
  }
  SUBCASE("a seal that is gone") { CHECK(after("UPDATE audit SET seal = NULL WHERE id = 3") == Ids{3, 4}); }
  SUBCASE("a seal of one's own") { CHECK(after("UPDATE audit SET seal = 'x' WHERE id = 5") == Ids{5, 5}); }
  SUBCASE("the end moved back") {
    CHECK(after("UPDATE audit_chain SET sealed_id = 4, seal = (SELECT seal FROM audit WHERE id = 4)") ==
          Ids{5});
  }
  SUBCASE("rows that were not sealed yet") {
    r.add_tenant("late");
    r.add_tenant("later");
    r.add_tenant("last");
    CHECK(faulty(r).empty());
    CHECK(after("DELETE FROM audit WHERE id = 7") == Ids{8});
    CHECK(after("DELETE FROM audit WHERE id = 8") == Ids{8});
    CHECK(after("DELETE FROM audit WHERE id = 6") == Ids{8});
  }
  SUBCASE("no ends") { CHECK(after("DELETE FROM audit_chain") == Ids{0}); }
}

TEST_CASE("audit chain: pruning keeps the rest provable, and says what it did") {
  Registry r;
  fill_audit(r, 5);
  r.add_tenant("late");
  const std::string limit = r.text("SELECT at FROM audit WHERE id = 4");
  const std::string now = to_text(wall_now() + std::chrono::hours{1});
  SUBCASE("by age") {
    AuditPrune done;
    r.write([&] { done = prune_audit(r.db(), limit); });
    if (done.rows > 0) CHECK((done.first_id == 1 && done.last_id == done.rows && done.rows <= 3));
    CHECK(r.number("SELECT count(*) FROM audit WHERE at < '" + limit + "'") == 0);
    CHECK(faulty(r).empty());
  }
  SUBCASE("all that is sealed; then on") {
    AuditPrune done;
    r.write([&] { done = prune_audit(r.db(), now); });
    CHECK((done.rows == 5 && done.first_id == 1 && done.last_id == 5));
    CHECK(r.text("SELECT group_concat(id || action) FROM audit") == "6tenant.add,7audit.prune");
    CHECK(r.text("SELECT actor || via || reason || before FROM audit WHERE id = 7") ==
          R"(testerclibecause{"first_id":1,"last_id":5,"rows":5})");
    AuditCheck check = check_audit(r.db());
    CHECK((check.faults.empty() && check.pruned_to == 5 && check.unsealed == 2));
    r.write([&] { CHECK(seal_audit(r.db(), 100) == 2); }, "daemon");
    CHECK(faulty(r).empty());
    CHECK(r.number("SELECT count(*) FROM audit_context") == 0);
    tamper(
        r,
        "INSERT INTO audit (id, actor, via, action, object, object_id) VALUES (4, 'a', 'b', 'c', 'd', 'e')");
    CHECK(faulty(r) == Ids{4});
  }
  SUBCASE("nothing that is not sealed") {
    r.write([&] { prune_audit(r.db(), now); });
    AuditPrune again;
    r.write([&] { again = prune_audit(r.db(), now); });
    CHECK(again.rows == 0);
    CHECK(r.number("SELECT count(*) FROM audit") == 2);
  }
  SUBCASE("not what does not fit its seal") {
    tamper(r, "UPDATE audit SET actor = 'x' WHERE id = 2");
    CHECK_THROWS_WITH(r.write([&] { prune_audit(r.db(), now); }),
                      doctest::Contains("audit row 2 does not fit"));
    CHECK(r.number("SELECT count(*) FROM audit") == 6);
  }
}

}  // namespace arcus::registry
