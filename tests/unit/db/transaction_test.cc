#include "lib/db/transaction.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include "lib/base/unique_fd.h"
#include "lib/db/backup.h"
#include "lib/db/checkpoint.h"
#include "tests/unit/db/fixture.h"

using namespace arcus;
using namespace arcus::test;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

static OpenOptions impatient() {
  OpenOptions options = test_options();
  options.busy_timeout = milliseconds{40};
  return options;
}

TEST_CASE("transaction: what is not committed is undone") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  {
    const Transaction transaction{db};
    db.exec("INSERT INTO tenant (name) VALUES ('a')");
  }
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "0");
  {
    Transaction transaction{db};
    db.exec("INSERT INTO tenant (name) VALUES ('a')");
    transaction.commit();
  }
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "1");
  CHECK_FALSE(db.lock_file().has_writer_lock());
}

TEST_CASE("transaction: an inner one is undone alone, and with the outer one") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  {
    Transaction outer{db};
    db.exec("INSERT INTO tenant (name) VALUES ('outer')");
    {
      const Transaction inner{db};
      db.exec("INSERT INTO tenant (name) VALUES ('lost')");
    }
    {
      Transaction inner{db};
      db.exec("INSERT INTO tenant (name) VALUES ('kept')");
      inner.commit();
    }
    outer.commit();
  }
  CHECK(value_of(db, "SELECT group_concat(name) FROM tenant") == "outer,kept");
  {
    const Transaction outer{db};
    Transaction inner{db};
    db.exec("DELETE FROM tenant");
    inner.commit();
  }
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "2");
}

TEST_CASE("transaction: unread rows of RETURNING do not keep it from ending") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  Transaction transaction{db};
  auto st = db.query("INSERT INTO tenant (name) VALUES ('a'), ('b') RETURNING name");
  REQUIRE(st.step());
  CHECK(st.text(0) == "a");
  transaction.commit();
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "2");
}

TEST_CASE("busy: one of our writers is waited for, then named") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database first{directory / "a.db", OpenMode::read_write, test_options()};
  Database second{directory / "a.db", OpenMode::read_write, impatient()};
  const Transaction transaction{first};
  const auto before = steady_clock::now();
  const Error error = error_of([&] { Transaction{second}; });
  CHECK(error.kind() == ErrorKind::registry);
  CHECK(std::string{error.what()}.find("another writer") != std::string::npos);
  CHECK(steady_clock::now() - before >= milliseconds{40});
  CHECK_FALSE(second.lock_file().has_writer_lock());
}

TEST_CASE("busy: a foreign writer is waited for, then named, and our lock is given back") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, impatient()};
  Shell shell{directory / "a.db"};
  shell.run("BEGIN IMMEDIATE");
  const Error error = error_of([&] { Transaction{db}; });
  CHECK(error.kind() == ErrorKind::registry);
  CHECK(std::string{error.what()}.find("another writer") != std::string::npos);
  CHECK_FALSE(db.lock_file().has_writer_lock());
  shell.run("ROLLBACK");
  CHECK(db.exec("INSERT INTO tenant (name) VALUES ('a')") == 1);
}

TEST_CASE("busy: readers are never in the way of a writer, nor it in theirs") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database writer{directory / "a.db", OpenMode::read_write, impatient()};
  Database reader{directory / "a.db", OpenMode::read_only, impatient()};
  const Snapshot snapshot{reader};
  CHECK(value_of(reader, "SELECT count(*) FROM tenant") == "0");
  Transaction transaction{writer};
  writer.exec("INSERT INTO tenant (name) VALUES ('a')");
  CHECK(value_of(reader, "SELECT count(*) FROM tenant") == "0");
  transaction.commit();
  CHECK(value_of(reader, "SELECT count(*) FROM tenant") == "0");
}

static void add_many(const std::filesystem::path& path, int rounds) {
  Database db{path, OpenMode::read_write, test_options()};
  for (int i = 0; i < rounds; ++i) {
    Transaction transaction{db};
    const std::string before = value_of(db, "SELECT value FROM setting WHERE key = 'count'");
    db.exec("UPDATE setting SET value = ? WHERE key = 'count'", std::to_string(std::stoi(before) + 1));
    transaction.commit();
  }
}

TEST_CASE("busy: eight processes that read and write lose no update and see no error") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database{directory / "a.db", OpenMode::read_write, test_options()}.exec(
      "INSERT INTO setting (key, value) VALUES ('count', '0')");
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) children.push_back(in_child([&] { add_many(directory / "a.db", 20); }));
  for (const pid_t child : children) CHECK(wait_for(child) == 0);
  Database db{directory / "a.db", OpenMode::read_only, test_options()};
  CHECK(value_of(db, "SELECT value FROM setting WHERE key = 'count'") == "160");
}

static void checkpoint_many(const std::filesystem::path& path, int rounds) {
  Database db{path, OpenMode::read_write, test_options()};
  for (int i = 0; i < rounds; ++i) checkpoint(db);
}

TEST_CASE("busy: checkpoints between the commits of others damage nothing (the WAL-reset bug)") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database{directory / "a.db", OpenMode::read_write, test_options()}.exec(
      "INSERT INTO setting (key, value) VALUES ('count', '0')");
  std::vector<pid_t> children;
  for (int i = 0; i < 2; ++i) children.push_back(in_child([&] { add_many(directory / "a.db", 150); }));
  for (int i = 0; i < 2; ++i) children.push_back(in_child([&] { checkpoint_many(directory / "a.db", 200); }));
  for (const pid_t child : children) CHECK(wait_for(child) == 0);
  Database db{directory / "a.db", OpenMode::read_only, test_options()};
  CHECK(value_of(db, "SELECT value FROM setting WHERE key = 'count'") == "300");
  CHECK(check_integrity(db, CheckDepth::full).empty());
}

static void write_until_killed(const std::filesystem::path& path, int acknowledge) {
  Database db{path, OpenMode::read_write, test_options()};
  for (int i = 0;; ++i) {
    Transaction transaction{db};
    // Two rows a transaction: half of one would show.
    db.exec("INSERT INTO tenant (name) VALUES (?), (?)", std::to_string(i) + "a", std::to_string(i) + "b");
    transaction.commit();
    const char byte = 1;
    if (::write(acknowledge, &byte, 1) != 1) ::_exit(1);
  }
}

TEST_CASE("kill -9: a writer killed anywhere leaves every acknowledged change and no half one") {
  for (int round = 0; round < 10; ++round) {
    CAPTURE(round);
    const TemporaryDirectory directory;
    make_registry(directory / "a.db");
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    UniqueFd reading{ends[0]};
    UniqueFd writing{ends[1]};
    const pid_t child = in_child([&] { write_until_killed(directory / "a.db", ends[1]); });
    writing.reset();
    int acknowledged = 0;
    char byte = 0;
    while (acknowledged < 5 + 7 * round && ::read(reading.get(), &byte, 1) == 1) ++acknowledged;
    ::kill(child, SIGKILL);
    while (::read(reading.get(), &byte, 1) == 1) ++acknowledged;
    wait_for(child);

    Database db{directory / "a.db", OpenMode::read_write, impatient()};
    const int rows = std::stoi(value_of(db, "SELECT count(*) FROM tenant"));
    CHECK(rows % 2 == 0);
    CHECK(rows / 2 >= acknowledged);
    CHECK(check_integrity(db, CheckDepth::full).empty());
    CHECK(db.exec("INSERT INTO tenant (name) VALUES ('next')") == 1);
  }
}

TEST_CASE("lock file: the run lock excludes, names its holder and ends with it") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  CHECK_FALSE(find_run_holder(directory / "a.db"));
  CHECK_FALSE(find_run_holder(directory / "none.db"));
  LockFile second{directory / "a.db"};
  {
    LockFile first{directory / "a.db"};
    REQUIRE(first.try_lock_run());
    CHECK_FALSE(second.try_lock_run());
    first.write_holder(
        {.pid = 4021, .boot_id = "b", .started_at = "2026-11-22T20:31:04.118Z", .version = "1.2"});
    const auto holder = find_run_holder(directory / "a.db");
    REQUIRE(holder);
    CHECK(holder->pid == 4021);
    CHECK(holder->boot_id == "b");
    CHECK(holder->started_at == "2026-11-22T20:31:04.118Z");
    CHECK(holder->version == "1.2");
    first.write_holder({.pid = 1});
    CHECK(second.run_holder()->pid == 1);
    CHECK(second.run_holder()->version.empty());
    // The run lock is not the writer lock.
    second.lock_writer(milliseconds{0});
    second.unlock_writer();
  }
  CHECK_FALSE(second.run_holder());
  CHECK(second.try_lock_run());
}
