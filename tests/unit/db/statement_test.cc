#include "lib/db/statement.h"

#include <doctest/doctest.h>

#include "lib/db/transaction.h"
#include "tests/unit/db/fixture.h"

using namespace arcus;
using namespace arcus::test;

TEST_CASE("statement: values of every kind go in and come out") {
  const TemporaryDirectory directory;
  Database db{directory / "a.db", OpenMode::create, test_options()};
  const std::optional<std::int64_t> none;
  const std::optional<std::string> some{"some"};
  auto st = db.query("SELECT ?, ?, ?, ?, ?, ?, ?", 1, true, 2.5, std::string_view{"te\0xt", 5}, nullptr, none,
                     some);
  REQUIRE(st.step());
  const auto [number, flag, real, text, null, empty, full] =
      st.row<std::int64_t, bool, double, std::string, std::optional<std::string>, std::optional<int>,
             std::optional<std::string_view>>();
  CHECK(number == 1);
  CHECK(flag);
  CHECK(real == 2.5);
  CHECK(text == std::string_view{"te\0xt", 5});
  CHECK_FALSE(null);
  CHECK_FALSE(empty);
  CHECK(full == "some");
  CHECK(st.type(0) == ColumnType::integer);
  CHECK(st.type(3) == ColumnType::text);
  CHECK(st.type(4) == ColumnType::null);
  CHECK_FALSE(st.step());
}

TEST_CASE("statement: an empty string is not NULL, and NULL reads as the empty value") {
  const TemporaryDirectory directory;
  Database db{directory / "a.db", OpenMode::create, test_options()};
  auto st = db.query("SELECT ? IS NULL, NULL, NULL", std::string_view{});
  REQUIRE(st.step());
  CHECK(st.row<bool, std::string, std::int64_t>() == std::tuple{false, std::string{}, std::int64_t{0}});
}

TEST_CASE("statement: too few or too many values are refused") {
  const TemporaryDirectory directory;
  Database db{directory / "a.db", OpenMode::create, test_options()};
  CHECK_THROWS_AS(db.query("SELECT ?, ?", 1), Error);
  CHECK_THROWS_AS(db.query("SELECT ?", 1, 2), Error);
  CHECK_THROWS_AS(db.query("SELECT 1", 1), Error);
}

TEST_CASE("statement: columns are found by name") {
  const TemporaryDirectory directory;
  Database db{directory / "a.db", OpenMode::create, test_options()};
  auto st = db.query("SELECT 7 AS port, 'web' AS name");
  REQUIRE(st.step());
  CHECK(st.text("name") == "web");
  CHECK(st.text("port") == "7");
  CHECK(st.name(1) == "name");
  CHECK(st.column_count() == 2);
  CHECK_THROWS_AS(st.text("host"), Error);
}

TEST_CASE("statement: it runs again with new values") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  Transaction transaction{db};
  auto insert = db.query("INSERT INTO tenant (name) VALUES (?)", "a");
  CHECK_FALSE(insert.step());
  insert.rebind("b");
  CHECK_FALSE(insert.step());
  transaction.commit();
  CHECK(value_of(db, "SELECT group_concat(name) FROM tenant") == "a,b");
}

TEST_CASE("statement: exec counts the rows it changed") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  CHECK(db.exec("INSERT INTO tenant (name) VALUES ('a'), ('b'), ('c')") == 3);
  CHECK(db.exec("UPDATE tenant SET name = name || 'x' WHERE name <> ?", "a") == 2);
  CHECK(db.exec("DELETE FROM tenant WHERE name = 'none'") == 0);
  CHECK(db.exec("SELECT * FROM tenant") == 0);
}

TEST_CASE("statement: a stepped write needs a transaction") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  auto st = db.query("INSERT INTO tenant (name) VALUES ('a') RETURNING id");
  CHECK_THROWS_AS(st.step(), Error);
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "0");
}
