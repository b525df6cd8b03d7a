#include "lib/db/database.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <memory>

#include "lib/db/backup.h"
#include "lib/db/checkpoint.h"
#include "lib/db/transaction.h"
#include "tests/unit/db/fixture.h"

using namespace arcus;
using namespace arcus::test;

static std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

TEST_CASE("database: every connection is set up as the durability contract says") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  struct Row {
    std::string_view pragma;
    std::string_view value;
  };
  const std::array rows{Row{"PRAGMA application_id", "1095910229"},
                        Row{"PRAGMA journal_mode", "wal"},
                        Row{"PRAGMA foreign_keys", "1"},
                        Row{"PRAGMA cell_size_check", "1"},
                        Row{"PRAGMA wal_autocheckpoint", "0"},
                        Row{"PRAGMA synchronous", "2"},
                        Row{"PRAGMA mmap_size", "0"},
                        Row{"PRAGMA busy_timeout", "5000"}};
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write, OpenMode::create}) {
    Database db{directory / "a.db", mode, test_options()};
    for (const Row& row : rows) {
      CAPTURE(row.pragma);
      CHECK(value_of(db, row.pragma) == row.value);
    }
    CHECK(db.has_wal());
  }
}

TEST_CASE("database: the log and its index stay after the last connection closed") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  CHECK(std::filesystem::exists(directory / "a.db-wal"));
  CHECK(std::filesystem::exists(directory / "a.db-shm"));
}

TEST_CASE("database: the schema cannot be edited as a table") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.script("PRAGMA writable_schema = ON");
  CHECK_THROWS_AS(db.exec("DELETE FROM sqlite_schema"), Error);
}

TEST_CASE("database: synchronous can be lowered for statistics") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.set_synchronous(Synchronous::normal);
  CHECK(value_of(db, "PRAGMA synchronous") == "1");
}

TEST_CASE("database: a missing file is an error of the registry unless it is to be made") {
  const TemporaryDirectory directory;
  const auto path = directory / "none.db";
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write}) {
    const Error error = error_of([&] { Database{path, mode, test_options()}; });
    CHECK(error.kind() == ErrorKind::registry);
    CHECK(error.hint() == "arcusctl init --db " + path.string());
    CHECK_FALSE(std::filesystem::exists(path));
  }
  Database{path, OpenMode::create, test_options()};
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("database: a new file is private, in a group's directory the group's") {
  const TemporaryDirectory directory;
  make_registry(directory / "deep" / "er" / "a.db");
  struct stat status {};
  REQUIRE(::stat((directory / "deep").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  for (const char* name : {"a.db", "a.db-wal", "a.db-shm", "a.db.lock"}) {
    CAPTURE(name);
    REQUIRE(::stat((directory / "deep" / "er" / name).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
  }
  REQUIRE(::chmod(directory.path().c_str(), 01777) == 0);
  make_registry(directory / "c.db");
  REQUIRE(::stat((directory / "c.db").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  REQUIRE(::chmod(directory.path().c_str(), 0770) == 0);
  make_registry(directory / "b.db");
  for (const char* name : {"b.db", "b.db-wal", "b.db.lock"}) {
    CAPTURE(name);
    REQUIRE(::stat((directory / name).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0660);
  }
}

TEST_CASE("database: files that are no registry are refused and keep their bytes") {
  const TemporaryDirectory directory;
  std::ofstream{directory / "text.db"} << std::string(5000, 'x');
  std::ofstream{directory / "empty.db"};
  {
    Shell{directory / "foreign.db"}.run(
        "PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (1)");
  }
  { Shell{directory / "marked.db"}.run("PRAGMA application_id = 7; CREATE TABLE t (a)"); }
  make_registry(directory / "newer.db");
  { Shell{directory / "newer.db"}.run("PRAGMA user_version = 3"); }
  make_registry(directory / "short.db");
  { Shell{directory / "short.db"}.run("PRAGMA wal_checkpoint(TRUNCATE)"); }
  std::filesystem::resize_file(directory / "short.db", 50);

  for (const std::string name : {"text.db", "foreign.db", "marked.db", "newer.db", "short.db"}) {
    for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write, OpenMode::create}) {
      CAPTURE(name);
      const std::string before = bytes_of(directory / name);
      const Error error = error_of([&] {
        Database db{directory / name, mode, test_options()};
        value_of(db, "SELECT count(*) FROM tenant");
      });
      CHECK(error.kind() == ErrorKind::registry);
      CHECK(bytes_of(directory / name) == before);
    }
  }
  const Error error = error_of([&] {
    Database{directory / "empty.db", OpenMode::read_write, test_options()};
  });
  CHECK(error.kind() == ErrorKind::registry);
}

TEST_CASE("database: a symbolic link, a directory and a world-writable place are refused") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  std::filesystem::create_symlink(directory / "a.db", directory / "link.db");
  CHECK(error_of([&] {
          Database{directory / "link.db", OpenMode::read_write, test_options()};
        }).kind() == ErrorKind::permission);
  CHECK(error_of([&] {
          Database{directory.path(), OpenMode::read_only, test_options()};
        }).kind() == ErrorKind::registry);
  REQUIRE(::chmod(directory.path().c_str(), 0777) == 0);
  CHECK(error_of([&] {
          Database{directory / "a.db", OpenMode::read_write, test_options()};
        }).kind() == ErrorKind::permission);
}

TEST_CASE("database: a linked directory is no obstacle") {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory / "real");
  std::filesystem::create_directory_symlink(directory / "real", directory / "linked");
  make_registry(directory / "linked" / "a.db");
  CHECK(std::filesystem::exists(directory / "real" / "a.db"));
}

TEST_CASE("database: data_version moves with the commits of others, not with ours") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  const std::int64_t first = db.data_version();
  db.exec("INSERT INTO tenant (name) VALUES ('ours')");
  CHECK(db.data_version() == first);
  Shell{directory / "a.db"}.run("INSERT INTO tenant (name) VALUES ('theirs')");
  CHECK(db.data_version() != first);
}

TEST_CASE("database: the log grows past any automatic checkpoint; only checkpoint() moves it") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  REQUIRE(checkpoint(db).done);
  const auto size = std::filesystem::file_size(directory / "a.db");
  const std::string filler(40'000, 'x');
  for (int i = 0; i < 150; ++i)
    db.exec("INSERT INTO setting (key, value) VALUES (?, ?)", "k" + std::to_string(i), filler);
  CHECK(wal_size(db.path()) > 1500 * 4096);
  CHECK(std::filesystem::file_size(directory / "a.db") == size);
  { Database{directory / "a.db", OpenMode::read_write, test_options()}; }  // closing moves nothing either
  CHECK(std::filesystem::file_size(directory / "a.db") == size);
  checkpoint_after_command(db);
  CHECK(wal_size(db.path()) == 0);
  CHECK(std::filesystem::file_size(directory / "a.db") > size);
}

TEST_CASE("checkpoint: a reader in its way makes it give up soon, not fail") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  Database reader{directory / "a.db", OpenMode::read_only, test_options()};
  const Snapshot snapshot{reader};
  value_of(reader, "SELECT count(*) FROM tenant");
  db.exec("INSERT INTO tenant (name) VALUES ('later')");
  const auto before = std::chrono::steady_clock::now();
  CHECK_FALSE(checkpoint(db).done);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds{2});
  CHECK(db.busy_timeout() == std::chrono::seconds{5});
}

TEST_CASE("checkpoint: after a command it is the daemon's business while one runs") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  LockFile daemon{directory / "a.db"};
  REQUIRE(daemon.try_lock_run());
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.exec("INSERT INTO setting (key, value) VALUES ('k', ?)", std::string(2'000'000, 'x'));
  checkpoint_after_command(db);
  CHECK(wal_size(db.path()) > 1'000'000);
  daemon.unlock_run();
  checkpoint_after_command(db);
  CHECK(wal_size(db.path()) == 0);
}

TEST_CASE("errors: what SQLite says becomes a kind and a sentence") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, test_options()};
  db.exec("INSERT INTO tenant (id, name) VALUES (1, 'acme')");
  db.exec("INSERT INTO server (tenant_id, port) VALUES (1, 80)");
  struct Row {
    std::string_view sql;
    ErrorKind kind;
    std::string_view sentence;
  };
  const std::array rows{
      Row{"INSERT INTO tenant (name) VALUES ('Acme')", ErrorKind::usage, "tenant.name: no capital letters"},
      Row{"INSERT INTO tenant (name) VALUES ('acme')", ErrorKind::conflict,
          "tenant.name: there is already such a row"},
      Row{"INSERT INTO tenant (name) VALUES (NULL)", ErrorKind::usage, "tenant.name: a value is needed"},
      Row{"DELETE FROM tenant", ErrorKind::conflict, "tenant: still has servers (delete them first)"},
      Row{"INSERT INTO server (tenant_id, port) VALUES (9, 80)", ErrorKind::conflict,
          "the row refers to another that does not exist, or others still refer to it"},
      Row{"INSERT INTO server (tenant_id, port) VALUES (1, 'x')", ErrorKind::usage,
          "cannot store TEXT value in INTEGER column server.port"},
      Row{"SELECT something", ErrorKind::usage, "no such column: something"},
      Row{"SELECT 1; SELECT 2", ErrorKind::usage, "one SQL statement at a time"},
      Row{"  -- nothing", ErrorKind::usage, "there is no SQL statement"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sql);
    const Error error = error_of([&] { db.exec(row.sql); });
    CHECK(error.kind() == row.kind);
    CHECK(std::string_view{error.what()} == row.sentence);
    CHECK_FALSE(db.in_transaction());
    CHECK_FALSE(db.is_broken());
  }
  CHECK(value_of(db, "SELECT count(*) FROM tenant; -- a comment is no statement") == "1");
}

TEST_CASE("errors: a connection for reading cannot write") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_only, test_options()};
  CHECK_THROWS_AS(db.exec("DELETE FROM tenant"), Error);
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "0");
}

TEST_CASE("database: a damaged table is found at opening, the file is not touched") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Shell{directory / "a.db"}.run("PRAGMA wal_checkpoint(TRUNCATE)");
  {
    std::fstream file{directory / "a.db", std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(4096);
    file << std::string(100, '\xff');
  }
  const std::string before = bytes_of(directory / "a.db");
  for (const OpenMode mode : {OpenMode::read_only, OpenMode::read_write}) {
    const Error error = error_of([&] { Database{directory / "a.db", mode, test_options()}; });
    CHECK(error.kind() == ErrorKind::registry);
    CHECK(std::string{error.what()}.find("damaged") != std::string::npos);
  }
  CHECK(bytes_of(directory / "a.db") == before);
}

TEST_CASE("database: odd characters in a path are only characters") {
  const TemporaryDirectory directory;
  const auto path = directory / "a b%20?mode=memory#c'.db";
  make_registry(path);
  CHECK(std::filesystem::file_size(path) > 0);
  Database db{path, OpenMode::read_only, test_options()};
  CHECK(value_of(db, "SELECT count(*) FROM tenant") == "0");
}

/// An ordinary user owns everything in `directory`; the calling process becomes that user.
static void become_owner(const TemporaryDirectory& directory) {
  if (::geteuid() != 0) return;
  constexpr uid_t nobody = 65534;
  for (const auto& file : std::filesystem::directory_iterator{directory.path()})
    if (::chown(file.path().c_str(), nobody, nobody) != 0) ::_exit(2);
  if (::chown(directory.path().c_str(), nobody, nobody) != 0) ::_exit(2);
  if (::setgid(nobody) != 0 || ::setuid(nobody) != 0) ::_exit(2);
}

TEST_CASE("database: a file that may only be read is read; a change is refused by permission") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  const pid_t child = in_child([&] {
    become_owner(directory);
    if (::chmod((directory / "a.db").c_str(), 0400) != 0) ::_exit(3);
    if (value_of(*std::make_unique<Database>(directory / "a.db", OpenMode::read_only, test_options()),
                 "SELECT count(*) FROM tenant") != "0")
      ::_exit(4);
    const Error error = error_of([&] { Database{directory / "a.db", OpenMode::read_write, test_options()}; });
    if (error.kind() != ErrorKind::permission) ::_exit(5);
  });
  CHECK(wait_for(child) == 0);
}

TEST_CASE("database: a copy in a directory where nothing may be made can be read") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  {
    Database db{directory / "a.db", OpenMode::read_write, test_options()};
    db.exec("INSERT INTO tenant (name) VALUES ('acme')");
    backup(db, directory / "copy.db");
  }
  for (const char* name : {"a.db", "a.db-wal", "a.db-shm", "a.db.lock"})
    std::filesystem::remove(directory / name);
  const pid_t child = in_child([&] {
    become_owner(directory);
    if (::chmod(directory.path().c_str(), 0500) != 0) ::_exit(3);
    Database db{directory / "copy.db", OpenMode::read_only, test_options()};
    if (value_of(db, "SELECT name FROM tenant") != "acme") ::_exit(4);
  });
  CHECK(wait_for(child) == 0);
  CHECK(::chmod(directory.path().c_str(), 0700) == 0);
}
