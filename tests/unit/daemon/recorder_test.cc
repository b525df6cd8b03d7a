#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "lib/daemon/counter_segments.h"
#include "lib/daemon/recorder.h"
#include "lib/registry/rules.h"
#include "lib/wire/counters.h"
#include "tests/unit/daemon/fixture.h"

using namespace arcus;
using namespace arcus::daemon;

namespace {

constexpr const char* incarnation = "0123456789ab";

/// A worker that counts into the files that a CounterSegments made.
struct CountingWorker {
  explicit CountingWorker(const Paths& paths, const std::string& id = incarnation)
      : segments{paths.run_dir, id, 1} {}

  wire::CounterSlot& slot(const std::string& server) {
    const CounterPlace place = segments.place_of(server);
    segments.pass_new([this](std::int64_t, int fd) {
      files.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      maps.emplace_back(files.back().get());
    });
    return maps.at(static_cast<std::size_t>(place.segment)).slot(0, static_cast<std::size_t>(place.slot));
  }
  wire::Tally& tally(TallyKind kind, const std::string& id) {
    const std::uint32_t place = segments.tally_of(kind, id);
    segments.pass_new([this](std::int64_t, int fd) {
      files.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
      maps.emplace_back(files.back().get());
    });
    return maps.at(place >> wire::tally_entry_bits).tally(0, place % (1U << wire::tally_entry_bits));
  }
  void die() {
    maps.clear();
    files.clear();
  }

  CounterSegments segments;
  std::vector<UniqueFd> files;
  std::vector<wire::CounterMap> maps;
};

std::size_t files_in(const std::filesystem::path& folder) {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder}, {}));
}

const std::map<std::string, std::string> live{{incarnation, "tenant:x"}};
constexpr const char* total = "SELECT coalesce(sum(total_connections), 0) FROM server_counter";

}  // namespace

TEST_CASE("recorder: counts are absolute while the worker lives, folded and unlinked once it is gone") {
  TestRegistry registry;
  const auto server = registry.add("acme", "web");
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder recorder{store, registry.paths.run_dir};
  CountingWorker worker{registry.paths};
  worker.slot(server.id).total_connections.add(3);
  recorder.flush(live);
  CHECK(registry.number(total) == 3);
  CHECK(recorder.active_connections() == 3);
  worker.slot(server.id).total_connections.add(4);
  worker.slot(server.id).closed_connections.add(5);
  recorder.flush(live);
  recorder.flush(live);
  CHECK(registry.number(total) == 7);
  CHECK(recorder.active_connections(server.id) == 2);

  worker.slot(server.id).total_connections.add(10);  // counted, not yet read, when it dies
  worker.die();
  recorder.flush({});
  CHECK(registry.number(total) == 17);
  CHECK(registry.number("SELECT count(*) FROM server_counter WHERE incarnation <> ''") == 0);
  CHECK(registry.number("SELECT count(*) FROM worker_incarnation") == 0);
  CHECK(files_in(registry.paths.run_dir) == 0);
  recorder.flush({});
  CHECK(registry.number(total) == 17);
}

TEST_CASE("recorder: counts that no worker can have made are not taken, and hold up nobody's") {
  TestRegistry registry;
  const auto one = registry.add("acme", "one"), two = registry.add("acme", "two");
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder recorder{store, registry.paths.run_dir};
  CountingWorker worker{registry.paths};
  worker.slot(one.id).total_connections.add(3);
  worker.slot(two.id).total_connections.add(5);
  recorder.flush(live);
  worker.slot(one.id).bytes_in.add(~std::uint64_t{0} / 2);
  worker.slot(one.id).total_connections.add(100);
  worker.slot(two.id).total_connections.add(5);
  recorder.flush(live);
  CHECK(registry.number(total) == 3 + 10);
  CHECK(registry.number("SELECT sum(bytes_in) FROM server_counter") == 0);
  worker.die();
  recorder.flush({});
  CHECK(registry.number(total) == 3 + 10);
  CHECK(registry.number("SELECT count(*) FROM worker_incarnation") == 0);
  CHECK(files_in(registry.paths.run_dir) == 0);
}

TEST_CASE("recorder: a worker that outlives its daemon is counted by the next one, each count once") {
  TestRegistry registry;
  const auto server = registry.add("acme", "web");
  CountingWorker orphan{registry.paths};
  {
    Store store{registry.paths.db, TestRegistry::catalog()};
    Recorder first{store, registry.paths.run_dir};
    orphan.slot(server.id).total_connections.add(5);
    first.flush(live);
  }
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder second{store, registry.paths.run_dir};
  second.flush({});
  CHECK(registry.number(total) == 5);
  CHECK(files_in(registry.paths.run_dir) == 2);  // its lock is held: not final  // with its names
  orphan.slot(server.id).total_connections.add(2);
  orphan.die();
  second.flush({});
  CHECK(registry.number(total) == 7);
  CHECK(files_in(registry.paths.run_dir) == 0);
}

TEST_CASE(
    "recorder: a daemon that died between the fold and the unlink is made good without counting twice") {
  TestRegistry registry;
  const auto server = registry.add("acme", "web");
  CountingWorker worker{registry.paths};
  worker.slot(server.id).total_connections.add(9);
  worker.die();
  const auto file = *std::filesystem::directory_iterator{registry.paths.run_dir};
  const auto copy = registry.folder.path / "copy";
  std::filesystem::copy_file(file.path(), copy);
  {
    Store store{registry.paths.db, TestRegistry::catalog()};
    Recorder recorder{store, registry.paths.run_dir};
    recorder.flush({});
  }
  REQUIRE(registry.number(total) == 9);
  // As it was after the transaction of the fold: the row says folded, the file is still there.
  std::filesystem::copy_file(copy, file.path());
  const auto as_it_was = [&] {
    registry::add_incarnation(registry.db, {.incarnation = incarnation,
                                            .worker_group = "tenant:x",
                                            .counter_path = file.path(),
                                            .started_at = {}});
    registry.db.exec("UPDATE worker_incarnation SET folded = 1");
  };
  registry.change(as_it_was, "daemon");
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder next{store, registry.paths.run_dir};
  next.flush({});
  CHECK(registry.number(total) == 9);
  CHECK(files_in(registry.paths.run_dir) == 0);
  CHECK(registry.number("SELECT count(*) FROM worker_incarnation") == 0);
}

TEST_CASE("recorder: smaller values, damaged files and foreign names change nothing") {
  TestRegistry registry;
  const auto server = registry.add("acme", "web");
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder recorder{store, registry.paths.run_dir};
  CountingWorker worker{registry.paths};
  worker.slot(server.id).total_connections.add(50);
  recorder.flush(live);
  const auto path = registry.paths.run_dir / (std::string{incarnation} + ".0.counters");
  const UniqueFd hostile{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  const std::uint64_t less = 1;
  REQUIRE(::pwrite(hostile.get(), &less, sizeof less, static_cast<off_t>(sizeof(wire::CounterHeader))) == 8);
  recorder.flush(live);
  CHECK(registry.number(total) == 50);
  REQUIRE(::ftruncate(hostile.get(), 100) == 0);
  recorder.flush(live);
  CHECK(registry.number(total) == 50);
  const UniqueFd foreign{::open((registry.paths.run_dir / "notes.txt").c_str(), O_CREAT | O_WRONLY, 0600)};
  worker.maps.clear();
  worker.files.clear();
  recorder.flush({});
  CHECK(registry.number(total) == 50);
  CHECK(std::filesystem::exists(registry.paths.run_dir / "notes.txt"));
  CHECK(files_in(registry.paths.run_dir) == 1);
}

TEST_CASE(
    "recorder: what rules, users and backends count is in table tally, over all lives, while they are "
    "there") {
  TestRegistry registry;
  const auto server = registry.add("acme", "web");
  registry.change([&] {
    registry::add_rule(registry.db, server.tenant_id, "", {.action = "deny", .client = "192.0.2.0/24"});
  });
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder recorder{store, registry.paths.run_dir};
  const auto text = [&registry](std::string_view sql) {
    auto statement = registry.db.query(sql);
    return statement.step() ? statement.column<std::string>(0) : std::string{};
  };
  const std::string rule = text("SELECT id FROM acl");
  const char* hits = "SELECT coalesce(sum(hits), -1) FROM rules";
  {
    CountingWorker worker{registry.paths};
    worker.slot(server.id).total_requests.add(1);
    wire::Tally& tally = worker.tally(TallyKind::acl, rule);
    wire::Tally& gone = worker.tally(TallyKind::user, "0123456789ab");
    tally.uses.add(3);
    tally.last_at_ms.raise_to(1'700'000'000'000);
    gone.uses.add(9);
    recorder.flush(live);
    CHECK(registry.number(hits) == 3);
    CHECK(text("SELECT last_hit FROM rules") == "2023-11-14T22:13:20.000Z");
    CHECK(registry.number("SELECT count(*) FROM tally") == 1);
    tally.uses.add(2);
    tally.last_at_ms.raise_to(~std::uint64_t{0} >> 4);  // a worker cannot have seen the future
    worker.die();
    recorder.flush({});
  }
  CHECK(registry.number(hits) == 5);
  CHECK(registry.number("SELECT last_hit <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM rules") == 1);
  CHECK(registry.number("SELECT count(*) FROM tally WHERE incarnation = ''") == 1);
  CHECK(files_in(registry.paths.run_dir) == 0);
  CountingWorker next{registry.paths, "abcdefabcdef"};
  next.slot(server.id).total_requests.add(1);
  next.tally(TallyKind::acl, rule).uses.add(~std::uint64_t{0} / 2);  // nor have counted that much
  next.tally(TallyKind::acl, rule).bytes_in.add(1);
  recorder.flush({{"abcdefabcdef", "tenant:x"}});
  CHECK(registry.number(hits) == 5);
  registry.change([&] { registry::remove_rule(registry.db, server.tenant_id, 1); });
  next.die();
  recorder.flush({});
  CHECK(registry.number("SELECT count(*) FROM tally") == 0);
}

// threats: worker-counters
TEST_CASE("recorder: whose a count is no worker can say: names are not in the file it has") {
  TestRegistry registry;
  const auto one = registry.add("acme", "one"), two = registry.add("globex", "two");
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder recorder{store, registry.paths.run_dir};
  CountingWorker worker{registry.paths};
  worker.slot(one.id).total_connections.add(3);
  REQUIRE(::pwrite(worker.files[0].get(), two.id.data(), 12, offsetof(wire::CounterHeader, padding)) == 12);
  recorder.flush(live);
  CHECK(registry.number("SELECT count(DISTINCT server_id) FROM server_counter") == 1);
  CHECK(registry.number("SELECT total_connections FROM server_counter WHERE server_id = '" + one.id + "'") ==
        3);
}

TEST_CASE("recorder: names without their counters, as a daemon may leave them, are cleared away") {
  TestRegistry registry;
  const auto left = registry.paths.run_dir / (std::string{incarnation} + ".0.names");
  UniqueFd{::open(left.c_str(), O_CREAT | O_WRONLY, 0600)}.reset();
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder{store, registry.paths.run_dir}.flush({});
  CHECK(files_in(registry.paths.run_dir) == 0);
}

TEST_CASE("recorder: an idle round writes nothing") {
  TestRegistry registry;
  const auto server = registry.add("acme", "web");
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder recorder{store, registry.paths.run_dir};
  CountingWorker worker{registry.paths};
  worker.slot(server.id).total_requests.add(1);
  recorder.flush(live);
  recorder.flush(live);  // the rate goes back to zero
  const auto before = registry.db.data_version();
  recorder.flush(live);
  recorder.flush(live);
  CHECK(registry.db.data_version() == before);
}

TEST_CASE("recorder: while the registry cannot be written nothing is lost") {
  TestRegistry registry;
  const auto server = registry.add("acme", "web");
  Store store{registry.paths.db, TestRegistry::catalog()};
  Recorder recorder{store, registry.paths.run_dir};
  CountingWorker worker{registry.paths};
  worker.slot(server.id).total_connections.add(6);
  {
    const Transaction blocking{registry.db};
    recorder.flush(live);
    CHECK_FALSE(store.problem().empty());
    worker.die();
    recorder.flush({});
    CHECK(files_in(registry.paths.run_dir) == 2);  // with its names
  }
  recorder.flush({});
  CHECK(store.problem().empty());
  CHECK(registry.number(total) == 6);
  CHECK(files_in(registry.paths.run_dir) == 0);
}

TEST_CASE("counter segments: a server keeps its place, and more servers get more files") {
  const TestFolder folder;
  CounterSegments segments{folder.path, incarnation, 2};
  const CounterPlace first = segments.place_of("s0");
  for (int i = 1; i < 100; ++i) segments.place_of("s" + std::to_string(i));
  const CounterPlace again = segments.place_of("s0");
  CHECK(again.segment == first.segment);
  CHECK(again.slot == first.slot);
  CHECK(files_in(folder.path) == 6);  // 16, 64, 256, each with its names
  std::vector<std::int64_t> passed;
  segments.pass_new([&passed](std::int64_t number, int) { passed.push_back(number); });
  segments.pass_new([&passed](std::int64_t number, int) { passed.push_back(number); });
  CHECK(passed == std::vector<std::int64_t>{0, 1, 2});
}
