#include "lib/db/backup.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "lib/db/transaction.h"
#include "tests/unit/db/fixture.h"

using namespace arcus;
using namespace arcus::test;

static std::size_t files_in(const TemporaryDirectory& directory) {
  const std::filesystem::directory_iterator files{directory.path()};
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

static void fill(Database& db, int tenants) {
  Transaction transaction{db};
  for (int i = 0; i < tenants; ++i)
    db.exec("INSERT INTO tenant (name) VALUES (?)", std::to_string(i) + std::string(500, 'x'));
  transaction.commit();
}

TEST_CASE("backup: one private file, sound, with every row, nothing left over") {
  const TemporaryDirectory directory;
  const TemporaryDirectory elsewhere;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  fill(db, 2000);
  const BackupResult result = backup(db, elsewhere / "copy.db");
  CHECK(result.pages > 200);
  CHECK(result.bytes == result.pages * 4096);
  CHECK(files_in(elsewhere) == 1);
  struct stat status {};
  REQUIRE(::stat((elsewhere / "copy.db").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  Database copy{elsewhere / "copy.db", OpenMode::read_only, test_options()};
  CHECK(value_of(copy, "SELECT count(*) FROM tenant") == "2000");
  CHECK(check_integrity(copy, CheckDepth::full).empty());
}

TEST_CASE("backup: an existing file is kept unless forced, the registry itself always") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  std::ofstream{directory / "copy.db"} << "precious";
  CHECK(error_of([&] { backup(db, directory / "copy.db"); }).kind() == ErrorKind::conflict);
  CHECK(std::filesystem::file_size(directory / "copy.db") == 8);
  backup(db, directory / "copy.db", true);
  CHECK(std::filesystem::file_size(directory / "copy.db") > 4096);
  CHECK(error_of([&] { backup(db, directory / "a.db", true); }).kind() == ErrorKind::conflict);
  CHECK(error_of([&] { backup(db, directory / "none" / "copy.db"); }).exit_code() != 0);
}

TEST_CASE("backup: beside a writer it ends, and holds one state") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  fill(db, 3000);
  db.exec("DELETE FROM setting WHERE key LIKE 'n%'");
  std::atomic<bool> stop = false;
  std::atomic<int> written = 0;
  std::jthread writer{[&] {
    Database other{directory / "a.db", OpenMode::read_write, test_options()};
    for (int i = 0; !stop; ++i) {
      Transaction transaction{other};
      other.exec("INSERT INTO setting (key, value) VALUES (?, 'a'), (?, 'b')", "n" + std::to_string(i),
                 "m" + std::to_string(i));
      transaction.commit();
      ++written;
    }
  }};
  while (written == 0) std::this_thread::yield();
  for (int i = 0; i < 5; ++i) {
    backup(db, directory / "copy.db", true);
    Database copy{directory / "copy.db", OpenMode::read_only, test_options()};
    CHECK(value_of(copy, "SELECT count(*) FROM setting WHERE key GLOB 'n[0-9]*'") ==
          value_of(copy, "SELECT count(*) FROM setting WHERE key GLOB 'm[0-9]*'"));
  }
  stop = true;
}

TEST_CASE("restore: the backup's rows replace what was there, and that is kept beside") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.exec("INSERT INTO tenant (name) VALUES ('old')");
  backup(db, directory / "copy.db");
  db.exec("UPDATE tenant SET name = 'new'");

  const RestoreResult result = restore(directory / "a.db", directory / "copy.db", 2);
  CHECK(result.schema_version == 2);
  CHECK(value_of(db, "SELECT name FROM tenant") == "old");  // an open connection sees it
  Database again{directory / "a.db", OpenMode::read_write, test_options()};
  CHECK(again.has_wal());
  CHECK(value_of(again, "SELECT name FROM tenant") == "old");
  Database previous{result.previous, OpenMode::read_only, test_options()};
  CHECK(value_of(previous, "SELECT name FROM tenant") == "new");
}

TEST_CASE("restore: a missing and a damaged registry are replaced") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  {
    Database db{directory / "a.db", OpenMode::read_write, test_options()};
    db.exec("INSERT INTO tenant (name) VALUES ('acme')");
    backup(db, directory / "copy.db");
  }
  CHECK(restore(directory / "new.db", directory / "copy.db", 2).previous.empty());
  { Shell{directory / "a.db"}.run("PRAGMA wal_checkpoint(TRUNCATE)"); }
  std::ofstream{directory / "a.db"} << std::string(9000, 'x');
  CHECK(restore(directory / "a.db", directory / "copy.db", 2).previous ==
        (directory / "a.db.damaged").string());
  for (const char* name : {"a.db", "new.db"}) {
    CAPTURE(name);
    Database db{directory / name, OpenMode::read_write, test_options()};
    CHECK(value_of(db, "SELECT name FROM tenant") == "acme");
    CHECK(check_integrity(db, CheckDepth::full).empty());
  }
}

TEST_CASE("restore: refused while a daemon runs, from a newer or a foreign file; nothing changes") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.exec("INSERT INTO tenant (name) VALUES ('acme')");
  backup(db, directory / "copy.db");
  db.exec("UPDATE tenant SET name = 'newer'");
  CHECK(error_of([&] { restore(directory / "a.db", directory / "copy.db", 1); }).kind() ==
        ErrorKind::registry);
  std::ofstream{directory / "text.db"} << std::string(9000, 'x');
  CHECK(error_of([&] { restore(directory / "a.db", directory / "text.db", 2); }).kind() ==
        ErrorKind::registry);
  LockFile daemon{directory / "a.db"};
  REQUIRE(daemon.try_lock_run());
  CHECK(error_of([&] { restore(directory / "a.db", directory / "copy.db", 2); }).kind() ==
        ErrorKind::conflict);
  CHECK(value_of(db, "SELECT name FROM tenant") == "newer");
}

TEST_CASE("check: flipped bytes and orphans are found") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  {
    Database db{directory / "a.db", OpenMode::read_write, test_options()};
    fill(db, 500);
    CHECK(check_integrity(db, CheckDepth::quick).empty());
    Shell{directory / "a.db"}.run("INSERT INTO server (tenant_id, port) VALUES (99999, 1)");
    const auto findings = check_integrity(db, CheckDepth::quick);
    REQUIRE(findings.size() == 1);
    CHECK(findings[0] == "table 'server' row 1: refers to a missing row of 'tenant'");
    Shell{directory / "a.db"}.run("DELETE FROM server; PRAGMA wal_checkpoint(TRUNCATE)");
  }
  {
    std::fstream file{directory / "a.db", std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(4096 * 12);
    file << std::string(4096, '\x55');
  }
  Database db{directory / "a.db", OpenMode::read_only, test_options()};
  bool found = false;
  try {
    found = !check_integrity(db, CheckDepth::full).empty();
  } catch (const Error& error) {
    found = error.kind() == ErrorKind::registry;
  }
  CHECK(found);
}

TEST_CASE("retire: a registry is copied away, a foreign file renamed, a daemon's left alone") {
  const TemporaryDirectory directory;
  CHECK(retire(directory / "a.db", "init").empty());
  make_registry(directory / "a.db");
  Database{directory / "a.db", OpenMode::read_write, test_options()}.exec(
      "INSERT INTO tenant (name) VALUES ('acme')");
  {
    LockFile daemon{directory / "a.db"};
    REQUIRE(daemon.try_lock_run());
    CHECK(error_of([&] { retire(directory / "a.db", "init"); }).kind() == ErrorKind::conflict);
  }
  const std::string kept = retire(directory / "a.db", "init");
  CHECK(kept == (directory / "a.db.before-init.bak").string());
  CHECK_FALSE(std::filesystem::exists(directory / "a.db"));
  CHECK_FALSE(std::filesystem::exists(directory / "a.db-wal"));
  Database copy{kept, OpenMode::read_only, test_options()};
  CHECK(value_of(copy, "SELECT name FROM tenant") == "acme");
  std::ofstream{directory / "b.db"} << "something else";
  CHECK(retire(directory / "b.db", "init") == (directory / "b.db.damaged").string());
  CHECK(std::filesystem::file_size(directory / "b.db.damaged") == 14);
}
