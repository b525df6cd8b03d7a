#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/wire/counters.h"

using namespace arcus;
using namespace arcus::wire;

namespace {

struct Folder {
  Folder() {
    std::string name = "/tmp/arcus-counters-XXXXXX";
    if (::mkdtemp(name.data())) path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return path / name; }
  std::filesystem::path path;
};

UniqueFd make(const std::string& path) {
  return UniqueFd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
}
UniqueFd open_again(const std::string& path) { return UniqueFd{::open(path.c_str(), O_RDWR | O_CLOEXEC)}; }

}  // namespace

TEST_CASE("counter buckets: limits rise, and every limit is the first value of the next bucket") {
  CHECK(bucket_of(0) == 0);
  CHECK(bucket_of(31) == 0);
  CHECK(bucket_of(UINT64_MAX) == histogram_buckets - 1);
  for (std::size_t bucket = 0; bucket + 1 < histogram_buckets; ++bucket) {
    CAPTURE(bucket);
    CHECK(bucket_of(bucket_limit(bucket) - 1) == bucket);
    CHECK(bucket_of(bucket_limit(bucket)) == bucket + 1);
  }
}

TEST_CASE("counter file: what two threads of a worker add is read as one sum") {
  const Folder folder;
  const std::string path = folder.file("a");
  UniqueFd passed{create_counter_file(path, "0123456789ab", 2, 3)};
  const UniqueFd reader = open_again(path);
  const UniqueFd names = make(folder.file("a.names"));
  name_counter_slot(names.get(), 0, "aaaaaaaaaaaa");
  name_counter_slot(names.get(), 2, "cccccccccccc");
  {
    CounterMap map{passed.get()};
    CHECK(map.threads() == 2);
    CHECK(map.entries() == 3);
    map.slot(0, 2).total_connections.add(3);
    map.slot(1, 2).total_connections.add(4);
    map.slot(0, 2).peak_connections.raise_to(9);
    map.slot(1, 2).peak_connections.raise_to(8);
    map.slot(1, 2).reasons[static_cast<std::size_t>(Reason::internal)].add(5);
    map.slot(1, 2).response_time[47].add(6);
    map.slot(0, 1).bytes_in.add(1);  // a slot without a name is nobody's
  }
  const auto read = read_counters(reader.get(), names.get());
  CHECK(read.incarnation == "0123456789ab");
  CHECK(read.tallies.empty());
  const auto& totals = read.servers;
  REQUIRE(totals.size() == 2);
  CHECK(totals[0] == CounterTotals{.server_id = "aaaaaaaaaaaa"});
  CHECK(totals[1].server_id == "cccccccccccc");
  CHECK(totals[1].total_connections == 7);
  CHECK(totals[1].peak_connections == 9);
  CHECK(totals[1].reasons[static_cast<std::size_t>(Reason::internal)] == 5);
  CHECK(totals[1].response_time[47] == 6);
  CHECK(totals[1].bytes_in == 0);
}

TEST_CASE("counter file: tallies of two threads are read as one sum, the newest use is the last") {
  const Folder folder;
  UniqueFd passed{create_counter_file(folder.file("a"), "0123456789ab", 2, 64, sizeof(Tally))};
  const UniqueFd reader = open_again(folder.file("a"));
  const UniqueFd names = make(folder.file("a.names"));
  name_counter_slot(names.get(), 0, "aaaaaaaaaaaaa");
  name_counter_slot(names.get(), 1, "ubbbbbbbbbbbb");
  CounterMap map{passed.get()};
  REQUIRE(map.holds_tallies());
  map.tally(0, 1).uses.add(3);
  map.tally(1, 1).uses.add(4);
  map.tally(0, 1).last_at_ms.raise_to(50);
  map.tally(1, 1).last_at_ms.raise_to(40);
  map.tally(1, 1).bytes_out.add(9);
  const auto read = read_counters(reader.get(), names.get());
  CHECK(read.servers.empty());
  REQUIRE(read.tallies.size() == 2);
  CHECK(read.tallies[0] == TallyTotals{.name = "aaaaaaaaaaaaa"});
  CHECK(read.tallies[1] == TallyTotals{.name = "ubbbbbbbbbbbb", .uses = 7, .bytes_out = 9, .last_at_ms = 50});
}

TEST_CASE("counter file: in use from its making until the last holder of the descriptor is gone") {
  const Folder folder;
  const std::string path = folder.file("a");
  UniqueFd passed{create_counter_file(path, "i", 1, 1)};
  const UniqueFd reader = open_again(path);
  CHECK(counter_file_in_use(reader.get()));
  UniqueFd in_worker{::dup(passed.get())};
  passed.reset();
  CHECK(counter_file_in_use(reader.get()));
  auto map = std::make_unique<CounterMap>(in_worker.get());
  CHECK(counter_file_in_use(reader.get()));
  map.reset();
  in_worker.reset();
  CHECK_FALSE(counter_file_in_use(reader.get()));
}

TEST_CASE("counter file: an existing file is not overwritten") {
  const Folder folder;
  const UniqueFd first{create_counter_file(folder.file("a"), "i", 1, 1)};
  CHECK_THROWS_AS(create_counter_file(folder.file("a"), "j", 1, 1), Error);
}

// threats: worker-counters
TEST_CASE("counter file: a truncated, grown or foreign file is refused by both sides") {
  const Folder folder;
  const std::string path = folder.file("a");
  const UniqueFd fd{create_counter_file(path, "i", 1, 4)};
  const UniqueFd names = make(folder.file("a.names"));
  const auto size = static_cast<off_t>(counter_file_size(1, 4));
  for (const off_t wrong : {off_t{0}, off_t{10}, off_t{64}, size - 1, size + 1}) {
    CAPTURE(wrong);
    REQUIRE(::ftruncate(fd.get(), wrong) == 0);
    CHECK_THROWS_AS(read_counters(fd.get(), names.get()), Error);
    CHECK_THROWS_AS(CounterMap{fd.get()}, Error);
    REQUIRE(::ftruncate(fd.get(), size) == 0);
    CounterHeader header;
    header.threads = 1;
    header.entries = 4;
    header.slot_bytes = sizeof(CounterSlot);
    REQUIRE(::pwrite(fd.get(), &header, sizeof header, 0) == 64);
  }
  CHECK_NOTHROW(read_counters(fd.get(), names.get()));
  REQUIRE(::pwrite(fd.get(), "garbage!", 8, 0) == 8);
  CHECK_THROWS_AS(read_counters(fd.get(), names.get()), Error);
  CHECK_THROWS_AS(CounterMap{fd.get()}, Error);
}
