#include "lib/db/migrate.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <thread>

#include "lib/db/authorizer.h"
#include "lib/db/transaction.h"
#include "tests/unit/db/fixture.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("migrate: a new file gets every step, the marks, triggers and views") {
  const TemporaryDirectory directory;
  Database db{directory / "a.db", OpenMode::create, test_options()};
  const MigrationResult result = migrate(db, "1.0", test_schema());
  CHECK(result.from == 0);
  CHECK(result.to == 2);
  CHECK(result.backup.empty());
  CHECK_FALSE(result.adopted);
  CHECK(value_of(db, "PRAGMA application_id") == "1095910229");
  CHECK(value_of(db, "PRAGMA user_version") == "2");
  CHECK(value_of(db, "SELECT value FROM setting WHERE key = 'schema_version'") == "2");
  CHECK(value_of(db, "SELECT count(*) FROM tenants") == "0");
  CHECK(schema_differences(db, test_schema()).empty());
  CHECK(db.schema_version() == 2);
}

TEST_CASE("migrate: a second time nothing is written") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database watcher{directory / "a.db", OpenMode::read_only, test_options()};
  const std::int64_t before = watcher.data_version();
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  CHECK_FALSE(migrate(db, "1.0", test_schema()).rebuilt_views);
  CHECK(watcher.data_version() == before);
}

TEST_CASE("migrate: an older file is copied, then upgraded with its rows") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db", 1);
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.exec("INSERT INTO tenant (id, name) VALUES (1, 'acme')");
  db.exec("INSERT INTO server (tenant_id, port) VALUES (1, 80)");
  CHECK(db.schema_version() == 1);
  const MigrationResult result = migrate(db, "1.0", test_schema());
  CHECK(result.from == 1);
  CHECK(result.backup == (directory / "a.db.v1.bak").string());
  CHECK(value_of(db, "SELECT label FROM server") == "");
  CHECK(value_of(db, "PRAGMA foreign_keys") == "1");
  CHECK(schema_differences(db, test_schema()).empty());
  struct stat status {};
  REQUIRE(::stat(result.backup.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  Database copy{result.backup, OpenMode::read_only, test_options()};
  CHECK(copy.schema_version() == 1);
  CHECK(value_of(copy, "SELECT name FROM tenant") == "acme");
}

TEST_CASE("migrate: reading an older file works without a change") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db", 1);
  Database db{directory / "a.db", OpenMode::read_only, test_options()};
  const MigrationResult result = migrate(db, "1.0", test_schema());
  CHECK(result.from == 1);
  CHECK(result.to == 1);
  CHECK(db.schema_version() == 1);
}

TEST_CASE("migrate: a step that fails leaves the old schema, triggers and views included") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db", 1);
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  const std::array steps{test_steps[0], Migration{2, "bad", "CREATE TABLE t (a); CREATE TABLE t (b);"}};
  Schema schema = test_schema();
  schema.steps = steps;
  CHECK_THROWS_AS(migrate(db, "1.0", schema), Error);
  CHECK(schema_differences(db, test_schema(1)).empty());
  CHECK(db.schema_version() == 1);
}

TEST_CASE("migrate: a step that breaks references is refused") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db", 1);
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  const std::array steps{test_steps[0],
                         Migration{2, "bad", "INSERT INTO server (tenant_id, port) VALUES (77, 80);"}};
  Schema schema = test_schema();
  schema.steps = steps;
  CHECK(error_of([&] { migrate(db, "1.0", schema); }).kind() == ErrorKind::registry);
  CHECK(value_of(db, "SELECT count(*) FROM server") == "0");
}

TEST_CASE("migrate: changed triggers and views are made anew, the operator's own stay") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  { Shell{directory / "a.db"}.run("CREATE VIEW x_mine AS SELECT name FROM tenant"); }
  Schema schema = test_schema();
  schema.views = "CREATE VIEW fresh AS SELECT name FROM tenant;";
  CHECK(migrate(db, "1.0", schema).rebuilt_views);
  CHECK(
      value_of(
          db,
          "SELECT group_concat(name) FROM (SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY 1)") ==
      "fresh,x_mine");
  CHECK(schema_differences(db, schema).empty());
}

TEST_CASE("migrate: dropped triggers are found and restored") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  Shell{directory / "a.db"}.run(
      "DROP TRIGGER tenant_delete_check; CREATE VIEW odd AS SELECT 1; DROP TABLE server");
  const auto differences = schema_differences(db, test_schema());
  const std::vector<std::string> expected{"missing table 'server'", "missing trigger 'tenant_delete_check'",
                                          "unknown view 'odd'"};
  CHECK(differences == expected);
  Shell{directory / "a.db"}.run("CREATE TABLE server (id, tenant_id)");
  rebuild_triggers_and_views(db, test_schema());
  CHECK(schema_differences(db, test_schema()) == std::vector<std::string>{"changed table 'server'"});
}

TEST_CASE("migrate: a file made from a dump is refused by commands and adopted when asked") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Shell{directory / "a.db"}.run(
      "INSERT INTO tenant (name) VALUES ('acme'); PRAGMA application_id = 0; PRAGMA user_version = 0");
  const Error error = error_of([&] { Database{directory / "a.db", OpenMode::read_write, test_options()}; });
  CHECK(error.kind() == ErrorKind::registry);
  CHECK(error.hint() == "arcusctl db migrate --db " + (directory / "a.db").string());
  OpenOptions options = test_options();
  options.allow_unmarked = true;
  Database db{directory / "a.db", OpenMode::read_write, options};
  CHECK(db.schema_version() == 2);
  const MigrationResult result = migrate(db, "1.0", test_schema());
  CHECK(result.adopted);
  CHECK(result.backup.empty());
  Database again{directory / "a.db", OpenMode::read_write, test_options()};
  CHECK(value_of(again, "SELECT name FROM tenant") == "acme");
  CHECK(again.schema_version() == 2);
}

TEST_CASE("migrate: a daemon of another version keeps the schema as it is") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db", 1);
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  LockFile daemon{directory / "a.db"};
  REQUIRE(daemon.try_lock_run());
  daemon.write_holder({.pid = 4021, .version = "0.9"});
  CHECK(error_of([&] { migrate(db, "1.0", test_schema()); }).kind() == ErrorKind::conflict);
  CHECK(db.schema_version() == 1);
  // Other views alone are no reason to refuse a command; they wait.
  Schema schema = test_schema(1);
  schema.views = "";
  CHECK_FALSE(migrate(db, "1.0", schema).rebuilt_views);
  daemon.write_holder({.pid = 4021, .version = "1.0"});
  CHECK(migrate(db, "1.0", test_schema()).to == 2);
}

TEST_CASE("migrate: commands that start at once upgrade once") {
  const TemporaryDirectory directory;
  std::array<int, 6> made{};
  {
    std::vector<std::jthread> commands;
    for (int& result : made)
      commands.emplace_back([&] {
        Database db{directory / "a.db", OpenMode::create, test_options()};
        const MigrationResult migration = migrate(db, "1.0", test_schema());
        result = migration.rebuilt_views ? 1 : 2;
      });
  }
  CHECK(std::ranges::count(made, 1) == 1);
  CHECK(std::ranges::count(made, 2) == 5);
}

TEST_CASE("embedded schema: builds, equals itself, and a second migration changes nothing") {
  if (embedded_migrations().empty()) return;
  const TemporaryDirectory directory;
  Database db{directory / "a.db", OpenMode::create};
  CHECK(migrate(db, "1.0").to == Schema{}.version());
  CHECK(schema_differences(db).empty());
  CHECK_FALSE(migrate(db, "1.0").rebuilt_views);
  rebuild_triggers_and_views(db);
  CHECK(schema_differences(db).empty());
}

TEST_CASE("reading only: nothing but SELECT, hashes read as NULL, the rest comes back") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.script(
      "CREATE TABLE account (name TEXT, password_hash TEXT); INSERT INTO account VALUES ('bob', 'secret')");
  {
    const ReadingOnly reading{db};
    CHECK(value_of(db, "SELECT name FROM account") == "bob");
    CHECK(value_of(db, "SELECT password_hash FROM account") == "");
    CHECK(value_of(db, "SELECT count(*) FROM account WHERE password_hash LIKE 's%'") == "0");
    CHECK(value_of(db,
                   "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT "
                   "max(i) FROM n") == "4");
    CHECK_THROWS_AS(value_of(db, "SELECT length(randomblob(900000000))"), Error);
    for (const std::string_view sql :
         {"DELETE FROM account", "UPDATE account SET name = 'x'", "DROP TABLE account", "CREATE TABLE t (a)",
          "ATTACH '/tmp/x' AS x", "PRAGMA user_version = 9", "BEGIN IMMEDIATE", "VACUUM",
          "SELECT load_extension('x')"}) {
      CAPTURE(sql);
      CHECK(error_of([&] { db.exec(sql); }).kind() == ErrorKind::usage);
    }
  }
  CHECK(db.exec("DELETE FROM account") == 1);
}

TEST_CASE("reading only: with names, only those may be named") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_only, test_options()};
  const std::array<std::string_view, 1> names{"tenants"};
  const ReadingOnly reading{db, names};
  CHECK(value_of(db, "SELECT count(*) FROM tenants WHERE servers = 0") == "0");
  for (const std::string_view sql :
       {"SELECT * FROM tenant", "SELECT count(*) FROM tenants WHERE (SELECT max(value) FROM setting) > 0",
        "SELECT * FROM sqlite_schema",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n"}) {
    CAPTURE(sql);
    CHECK(error_of([&] { db.query(sql); }).kind() == ErrorKind::usage);
  }
}

TEST_CASE("rows only: rows change, the schema and the transaction do not") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  {
    Transaction transaction{db};
    const RowsOnly rows{db};
    CHECK(db.exec("INSERT INTO tenant (name) VALUES ('a'), ('b')") == 2);
    CHECK(db.exec("UPDATE tenant SET name = 'c' WHERE name = 'b'") == 1);
    CHECK(db.exec("DELETE FROM tenant WHERE name = 'c'") == 1);
    for (const std::string_view sql :
         {"COMMIT", "ROLLBACK", "SAVEPOINT x", "PRAGMA user_version = 9", "DROP TABLE tenant",
          "CREATE VIEW v AS SELECT 1", "ATTACH '/tmp/x' AS x", "VACUUM"}) {
      CAPTURE(sql);
      CHECK(error_of([&] { db.exec(sql); }).kind() == ErrorKind::usage);
    }
  }
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "0");
}
