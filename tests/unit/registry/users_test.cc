#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/registry/rules.h"
#include "lib/registry/users.h"
#include "tests/unit/registry/fixture.h"

namespace arcus::registry {

static constexpr const char* quick_hash =
    "$5$rounds=1000$saltsalt$TWdBOWiYhmVJkQgbrDSNb2rxBkKSiutz24Rm5ti0vID";

static User add_one(Registry& r, const Tenant& tenant, const std::string& name) {
  return r.write([&] { return add_user(r.db(), tenant.id, {.name = name, .password_hash = quick_hash}); });
}

/// The kind of the Error that `call` throws; `partial` is never thrown here.
template <class Call>
static ErrorKind why_not(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  return ErrorKind::partial;
}

TEST_CASE("user: added, found by name and id, in its own tenant alone") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const Tenant globex = r.add_tenant("globex");
  const User bob = add_one(r, acme, "bob");
  CHECK(get_user(r.db(), acme.id, "bob").id == bob.id);
  CHECK(get_user(r.db(), acme.id, bob.id).name == "bob");
  CHECK(why_not([&] { get_user(r.db(), globex.id, "bob"); }) == ErrorKind::not_found);
  CHECK(why_not([&] { get_user(r.db(), globex.id, bob.id); }) == ErrorKind::not_found);
  add_one(r, globex, "bob");
  CHECK(list_users(r.db(), acme.id).size() == 1);
}

TEST_CASE("user: bad names, bad hashes and taken names are refused") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  add_one(r, acme, "bob@example.com");
  CHECK(why_not([&] { add_one(r, acme, "bob@example.com"); }) == ErrorKind::conflict);
  for (const std::string& name : {std::string{}, std::string{"a:b"}, std::string{"a b"}, std::string{".a"},
                                  std::string{"a\nb"}, std::string{"\xc3\xa4"}, std::string(129, 'a')}) {
    CAPTURE(name);
    CHECK(why_not([&] { add_one(r, acme, name); }) == ErrorKind::usage);
    CHECK_THROWS(r.write([&] {
      r.db().exec("INSERT INTO user (tenant_id, name, password_hash) VALUES (?, ?, ?)", acme.id, name,
                  quick_hash);
    }));
  }
  CHECK(why_not([&] {
          r.write(
              [&] { add_user(r.db(), acme.id, {.name = "eve", .password_hash = "plain text is no hash"}); });
        }) == ErrorKind::usage);
  CHECK_THROWS(r.write([&] { r.db().exec("UPDATE user SET password_hash = 'plain text is no hash'"); }));
}

TEST_CASE("user: may log in while enabled and not expired") {
  const std::string now = "2026-11-23T00:00:00.000Z";
  CHECK(User{}.may_log_in(now));
  CHECK_FALSE(User{.enabled = false}.may_log_in(now));
  CHECK(User{.expires_at = "2026-11-23T00:00:00.001Z"}.may_log_in(now));
  CHECK_FALSE(User{.expires_at = now}.may_log_in(now));
}

TEST_CASE("user: no audit row and no view has the hash; what happened has its word") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  User bob = add_one(r, acme, "bob");
  r.write([&] { set_password(r.db(), bob.id, "$6$rounds=1000$saltsalt$vqVEzhF1x7x2p0VCWCzOM1GGIpJ62"); });
  bob.enabled = false;
  r.write([&] { set_user(r.db(), bob); });
  r.write([&] { set_user(r.db(), bob); });  // nothing changes
  bob.description = "x";
  r.write([&] { set_user(r.db(), bob); });
  r.write([&] { remove_user(r.db(), bob); });
  CHECK(r.text("SELECT group_concat(action, ' ') FROM (SELECT action FROM audit WHERE action LIKE 'user.%' "
               "ORDER BY id)") == "user.add user.passwd user.disable user.set user.remove");
  CHECK(r.number("SELECT count(*) FROM audit WHERE before LIKE '%$%' OR after LIKE '%$%'") == 0);
  CHECK(r.number("SELECT count(*) FROM pragma_table_info('users') WHERE name LIKE '%hash%'") == 0);
}

TEST_CASE("user: servers that ask for users are told of every change, others are not") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  const Server open = r.add_http("acme", "open");
  r.write([&] { set_server(r.db(), r.catalog(), web.id, {{"auth", "basic"}}); });
  const auto generation = [&](const Server& server) { return find_server(r.db(), server.id)->generation; };
  auto seen = generation(web);
  const auto is_news = [&] { return std::exchange(seen, generation(web)) < generation(web); };
  User bob = add_one(r, acme, "bob");
  CHECK(is_news());
  r.write([&] { set_password(r.db(), bob.id, "$6$rounds=1000$saltsalt$vqVEzhF1x7x2p0VCWCzOM1GGIpJ62"); });
  CHECK(is_news());
  bob.expires_at = "2030-01-01T00:00:00.000Z";
  r.write([&] { set_user(r.db(), bob); });
  CHECK(is_news());
  bob.description = "words";
  r.write([&] { set_user(r.db(), bob); });
  CHECK_FALSE(is_news());
  r.write([&] { remove_user(r.db(), bob); });
  CHECK(is_news());
  CHECK(generation(open) == open.generation);
}

TEST_CASE("user: one that rules name stays until they go; with the tenant all go") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const Tenant globex = r.add_tenant("globex");
  const User bob = add_one(r, acme, "bob");
  const Rule rule = r.write([&] { return add_rule(r.db(), acme.id, "", {.action = "deny", .user = "bob"}); });
  CHECK(rule.user == "bob");
  CHECK(why_not([&] {
          r.write([&] { add_rule(r.db(), globex.id, "", {.action = "deny", .user = "bob"}); });
        }) == ErrorKind::not_found);
  CHECK_THROWS(r.write([&] {
    r.db().exec("INSERT INTO acl (tenant_id, number, position, action, user_id) VALUES (?, 9, 9, 'deny', ?)",
                globex.id, bob.id);
  }));
  CHECK(why_not([&] { r.write([&] { remove_user(r.db(), bob); }); }) == ErrorKind::conflict);
  CHECK_THROWS(r.write([&] { r.db().exec("DELETE FROM user"); }));
  r.write([&] { remove_tenant(r.db(), acme.id); });
  CHECK(r.number("SELECT count(*) FROM user") == 0);
}

TEST_CASE("user: the triggers hold where foreign keys are switched off, and REPLACE skips none of them") {
  Registry r;
  const Tenant acme = r.add_tenant("acme");
  const Tenant globex = r.add_tenant("globex");
  const User bob = add_one(r, acme, "bob");
  add_one(r, acme, "ann");
  r.write([&] { add_rule(r.db(), acme.id, "", {.action = "deny", .user = "bob"}); });
  r.db().exec("PRAGMA foreign_keys = OFF");
  const auto refused = [&](const std::string& sql) { CHECK_THROWS(r.write([&] { r.db().exec(sql); })); };
  refused("DELETE FROM user WHERE name = 'bob'");
  refused(
      "REPLACE INTO user (id, tenant_id, name, password_hash) SELECT id, tenant_id, 'robert', password_hash "
      "FROM user "
      "WHERE name = 'bob'");
  refused(
      "REPLACE INTO user (tenant_id, name, password_hash) SELECT tenant_id, 'bob', password_hash FROM user "
      "WHERE name = 'ann'");
  refused("UPDATE OR REPLACE user SET name = 'bob' WHERE name = 'ann'");
  refused("UPDATE OR REPLACE user SET id = '" + bob.id + "' WHERE name = 'ann'");
  refused("UPDATE user SET tenant_id = '" + globex.id + "' WHERE name = 'ann'");
  refused(
      "INSERT INTO user (tenant_id, name, password_hash) SELECT 'ffffffffffff', 'x', password_hash FROM user "
      "LIMIT 1");
  refused("INSERT INTO acl (tenant_id, number, position, action, user_id) VALUES ('" + globex.id +
          "', 9, 9, 'deny', '" + bob.id + "')");
  refused("UPDATE users SET may_log_in = 0 WHERE name = 'ann'");
  CHECK(r.number("SELECT count(*) FROM user") == 2);
  r.write([&] { r.db().exec("UPDATE users SET enabled = 0 WHERE name = 'ann'"); });
  CHECK(r.number("SELECT enabled FROM user WHERE name = 'ann'") == 0);
  r.write([&] { r.db().exec("DELETE FROM tenant WHERE name = 'acme'"); });
  CHECK(r.number("SELECT (SELECT count(*) FROM user) + (SELECT count(*) FROM acl)") == 0);
}

TEST_CASE("auth: only words there are, only on types that ask, and it closes an open proxy") {
  Registry r;
  r.add_tenant("acme");
  const Server web = r.add_http("acme", "web");
  const auto set = [&](std::vector<Assignment> list) {
    r.write([&] { set_server(r.db(), r.catalog(), web.id, list); });
  };
  CHECK(why_not([&] { set({{"auth", "digest"}}); }) == ErrorKind::usage);
  CHECK_THROWS(r.write([&] { r.db().exec("UPDATE server SET auth = 'digest'"); }));
  CHECK(why_not([&] { set({{"listen_addr", "0.0.0.0"}}); }) == ErrorKind::usage);
  set({{"listen_addr", "0.0.0.0"}, {"auth", "basic"}});
  CHECK(why_not([&] { set({{"auth", "none"}}); }) == ErrorKind::usage);
}

}  // namespace arcus::registry
