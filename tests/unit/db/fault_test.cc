#include <doctest/doctest.h>
#include <sys/stat.h>

#include <functional>

#include "lib/db/backup.h"
#include "lib/db/checkpoint.h"
#include "lib/db/transaction.h"
#include "tests/unit/db/fixture.h"
#include "tests/unit/db/test_vfs.h"

using namespace arcus;
using namespace arcus::test;

namespace {

constexpr int loop_bound = 2000;

/// What a scenario did before it ended or failed.
struct Progress {
  int acknowledged = 0;  ///< rows that a committed transaction holds
};

/// One thing a command does, and what must hold afterwards whatever happened.
struct Scenario {
  std::string_view name;
  std::function<void(const std::filesystem::path&)> prepare;
  std::function<void(const std::filesystem::path&, Progress&)> run;
  std::function<void(Database&, const Progress&)> verify;
};

OpenOptions faulty() { return test_options(FaultInjector::vfs_name); }

void run_init(const std::filesystem::path& path, Progress&) {
  Database db{path, OpenMode::create, faulty()};
  migrate(db, "1.0", test_schema());
}

void run_add(const std::filesystem::path& path, Progress& progress) {
  Database db{path, OpenMode::read_write, faulty()};
  for (int i = 0; i < 3; ++i) {
    db.exec("INSERT INTO tenant (name) VALUES (?)", "t" + std::to_string(i));
    ++progress.acknowledged;
  }
}

void run_apply(const std::filesystem::path& path, Progress& progress) {
  Database db{path, OpenMode::read_write, faulty()};
  Transaction transaction{db};
  for (int i = 0; i < 60; ++i)
    db.exec("INSERT INTO tenant (name) VALUES (?)", std::to_string(i) + std::string(300, 'x'));
  transaction.commit();
  progress.acknowledged = 60;
}

void run_upgrade(const std::filesystem::path& path, Progress&) {
  Database db{path, OpenMode::read_write, faulty()};
  migrate(db, "1.0", test_schema());
}

void run_checkpoint(const std::filesystem::path& path, Progress&) {
  Database db{path, OpenMode::read_write, faulty()};
  checkpoint(db);
  db.exec("INSERT INTO tenant (name) VALUES ('after')");  // starts the log anew
}

void run_backup(const std::filesystem::path& path, Progress&) {
  Database db{path, OpenMode::read_write, faulty()};
  std::filesystem::path copy = path;
  copy += ".copy";
  backup(db, copy);
}

void fill(const std::filesystem::path& path) {
  make_registry(path);
  Database db{path, OpenMode::read_write, test_options()};
  for (int i = 0; i < 20; ++i)
    db.exec("INSERT INTO tenant (name) VALUES (?)", std::to_string(i) + std::string(2000, 'x'));
}

int rows(Database& db) { return std::stoi(value_of(db, "SELECT count(*) FROM tenant")); }

const std::array scenarios{
    Scenario{"init", [](const auto&) {}, run_init, [](Database&, const Progress&) {}},
    Scenario{"add", [](const auto& path) { make_registry(path); }, run_add,
             [](Database& db, const Progress& progress) {
               CHECK(rows(db) >= progress.acknowledged);
               CHECK(rows(db) <= progress.acknowledged + 1);
             }},
    Scenario{"apply 60 rows", [](const auto& path) { make_registry(path); }, run_apply,
             [](Database& db, const Progress& progress) {
               const bool all_or_nothing = rows(db) == 60 || (rows(db) == 0 && progress.acknowledged == 0);
               CHECK(all_or_nothing);
             }},
    Scenario{"upgrade", [](const auto& path) { make_registry(path, 1); }, run_upgrade,
             [](Database& db, const Progress&) { CHECK(db.schema_version() == 2); }},
    Scenario{"checkpoint", fill, run_checkpoint,
             [](Database& db, const Progress&) {
               CHECK(value_of(db, "SELECT count(*) FROM tenant WHERE name <> 'after'") == "20");
             }},
    Scenario{"backup", fill, run_backup, [](Database& db, const Progress&) { CHECK(rows(db) == 20); }},
};

/// The registry must open, be sound and accept the next command; a half-made one must be completed by it.
void verify(const Scenario& scenario, const std::filesystem::path& path, const Progress& progress) {
  Database db{path, OpenMode::create, test_options()};
  const int version = db.schema_version();
  const bool old_or_new = version == 2 || (version == 1 && scenario.name == "upgrade") ||
                          (version == 0 && scenario.name == "init");
  CHECK(old_or_new);
  const bool changes_schema = scenario.name == "init" || scenario.name == "upgrade";
  if (version > 0 && changes_schema) CHECK(schema_differences(db, test_schema(version)).empty());
  migrate(db, "1.0", test_schema());
  CHECK(check_integrity(db, CheckDepth::full).empty());
  scenario.verify(db, progress);
  CHECK(db.exec("INSERT INTO tenant (name) VALUES ('next')") == 1);
}

/// Runs the scenario with `fault` at operation `n`; false when it was over before.
bool strike(const Scenario& scenario, const std::filesystem::path& path, Fault fault, int n,
            Progress& progress) {
  scenario.prepare(path);
  FaultInjector& injector = FaultInjector::instance();
  injector.arm(fault, n);
  try {
    scenario.run(path, progress);
    CHECK_FALSE((injector.has_struck() && fault == Fault::power_cut && progress.acknowledged > 0 &&
                 scenario.name == "apply 60 rows"));
  } catch (const Error& error) {
    const bool said_so = error.kind() == ErrorKind::registry || error.kind() == ErrorKind::permission;
    CHECK_MESSAGE(said_so, error.what());
  }
  return injector.has_struck();
}

}  // namespace

TEST_CASE(
    "faults: whichever operation fails, the file is the old or the new one and the next command works") {
  for (const Fault fault : {Fault::io_error, Fault::disk_full, Fault::short_write}) {
    for (const Scenario& scenario : scenarios) {
      int n = 1;
      for (bool struck = true; struck && n < loop_bound; ++n) {
        CAPTURE(scenario.name);
        CAPTURE(static_cast<int>(fault));
        CAPTURE(n);
        const TemporaryDirectory directory;
        Progress progress;
        struck = strike(scenario, directory / "a.db", fault, n, progress);
        FaultInjector::instance().arm(Fault::none, 0);
        verify(scenario, directory / "a.db", progress);
      }
      CHECK(n > 5);
      CHECK(n < loop_bound);
    }
  }
}

TEST_CASE("power cut: at every operation, with any unsynced sectors lost, what was acknowledged is there") {
  int points = 0;
  for (const Scenario& scenario : scenarios) {
    bool struck = true;
    for (int n = 1; struck && n < loop_bound; ++n) {
      for (const std::uint64_t seed :
           {std::uint64_t{0}, std::uint64_t{1}, static_cast<std::uint64_t>(n) * 7919}) {
        CAPTURE(scenario.name);
        CAPTURE(n);
        CAPTURE(seed);
        const TemporaryDirectory directory;
        const TemporaryDirectory image;
        Progress progress;
        struck = strike(scenario, directory / "a.db", Fault::power_cut, n, progress);
        FaultInjector::instance().write_image(directory.path(), image.path(), seed);
        FaultInjector::instance().arm(Fault::none, 0);
        verify(scenario, image / "a.db", progress);
        ++points;
      }
    }
  }
  MESSAGE("power cut: " << points << " crash points over " << scenarios.size() << " scenarios");
  CHECK(points > 100);
}

TEST_CASE("faults: after a full disk the connection refuses, a new one works") {
  const TemporaryDirectory directory;
  make_registry(directory / "a.db");
  Database db{directory / "a.db", OpenMode::read_write, faulty()};
  FaultInjector::instance().arm(Fault::disk_full, 1);
  const Error error = error_of([&] { db.exec("INSERT INTO tenant (name) VALUES ('a')"); });
  CHECK(error.kind() == ErrorKind::registry);
  CHECK(std::string{error.what()}.find("disk full") != std::string::npos);
  CHECK(db.is_broken());
  CHECK_FALSE(db.in_transaction());
  CHECK_FALSE(db.lock_file().has_writer_lock());
  FaultInjector::instance().arm(Fault::none, 0);
  CHECK_THROWS_AS(db.exec("INSERT INTO tenant (name) VALUES ('a')"), Error);
  Database next{directory / "a.db", OpenMode::read_write, test_options()};
  CHECK(next.exec("INSERT INTO tenant (name) VALUES ('a')") == 1);
}
