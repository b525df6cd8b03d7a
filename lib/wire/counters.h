#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/count.h"
#include "lib/base/reason.h"

/// The counter files of one worker incarnation: preallocated files in the run directory that the worker maps
/// and adds to, and that the daemon reads with pread (never maps: a hostile worker could truncate them). The
/// worker holds an OFD write lock on byte 0 as long as it lives; a free lock means that the counts are final.
///
///   CounterHeader | slots [thread][entry]
///
/// A file's slots are all of one kind: CounterSlot for servers, Tally for rules, users and backends. Every
/// slot has exactly one writing thread. All counts only ever grow. Whose a slot is stands in a second file
/// beside it, which no worker gets: entries x 16 bytes, the name as text.
namespace arcus::wire {

inline constexpr std::uint64_t counter_magic = 0x31544e4353435241;  // "ARCSCNT1"
inline constexpr std::uint32_t counter_version = 2;
inline constexpr std::size_t histogram_buckets = 48;
inline constexpr std::size_t reason_capacity = 64;
static_assert(reason_count <= reason_capacity);

struct CounterHeader {
  std::uint64_t magic = counter_magic;
  std::uint32_t version = counter_version;
  std::uint32_t threads = 0;
  std::uint32_t entries = 0;  ///< slots of each thread
  std::uint32_t slot_bytes = 0;
  std::array<char, 16> incarnation{};
  std::array<char, 24> padding{};
};
static_assert(sizeof(CounterHeader) == 64);

/// The counts of one server in one thread. Bytes are client side, plaintext, heads included.
struct alignas(64) CounterSlot {
  Count total_connections;   ///< accepted, refused ones included
  Count closed_connections;  ///< active = total - closed
  Count refused_connections;
  Count peak_connections;  ///< most at once over all threads, as seen by this one; a maximum
  Count total_requests;    ///< http: requests; else connections that were served
  Count bytes_in;          ///< from the client
  Count bytes_out;         ///< to the client
  Count error_count;       ///< ends with ReasonInfo::is_error
  Count response_time_sum_us;
  Count response_time_count;
  Count dropped_records;  ///< access records that found the queue full
  std::array<Count, 5> spare;
  std::array<Count, histogram_buckets> response_time;  ///< see bucket_of
  std::array<Count, reason_capacity> reasons;          ///< by Reason
};
static_assert(sizeof(CounterSlot) == 1024);

/// What a rule, a user or a backend counts in one thread. Which of the counts move, and when, depends on
/// which of them it is.
struct alignas(64) Tally {
  Count uses;      ///< a rule decided; requests of a user; connections to a backend
  Count ended;     ///< connections to a backend that are over
  Count failures;  ///< a user's requests that failed; connects to a backend that did
  Count bytes_in;  ///< from the client, when its request or connection is over
  Count bytes_out;
  Count last_at_ms;  ///< of the newest use, in milliseconds of Unix time; a maximum
  std::array<Count, 2> spare;
};
static_assert(sizeof(Tally) == 64);

/// Names a tally in all of a worker's files; 0 = none. Segment 0 holds servers.
inline constexpr unsigned tally_entry_bits = 14;
inline constexpr std::size_t most_tally_segments = 1024;
constexpr std::uint32_t tally_place(std::size_t segment, std::size_t entry) noexcept {
  return static_cast<std::uint32_t>(segment << tally_entry_bits | entry);
}

/// Two buckets per doubling from 32 us: bucket 0 is below 32 us, the last everything above.
std::size_t bucket_of(std::uint64_t microseconds) noexcept;
/// The upper bound of a bucket in microseconds.
std::uint64_t bucket_limit(std::size_t bucket) noexcept;

constexpr std::size_t counter_file_size(std::size_t threads, std::size_t entries,
                                        std::size_t slot_bytes = sizeof(CounterSlot)) noexcept {
  return sizeof(CounterHeader) + threads * entries * slot_bytes;
}

/// The worker's view of a file: maps it shared and locks byte 0 until destroyed. Throws Error when the file
/// is not one.
class CounterMap {
 public:
  explicit CounterMap(int fd);
  ~CounterMap();
  CounterMap(CounterMap&& other) noexcept;
  CounterMap(const CounterMap&) = delete;
  CounterMap& operator=(const CounterMap&) = delete;
  CounterMap& operator=(CounterMap&&) = delete;

  std::size_t threads() const noexcept { return threads_; }
  std::size_t entries() const noexcept { return entries_; }
  bool holds_tallies() const noexcept { return slot_bytes_ == sizeof(Tally); }
  /// Stay valid as long as the map. The file must be of that kind, the indexes in range.
  CounterSlot& slot(std::size_t thread, std::size_t entry) const noexcept;
  Tally& tally(std::size_t thread, std::size_t entry) const noexcept;

 private:
  void* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t threads_ = 0;
  std::size_t entries_ = 0;
  std::size_t slot_bytes_ = 0;
  int fd_ = -1;
};

/// Sums over the threads for one server, read by the daemon.
struct CounterTotals {
  std::string server_id;
  std::uint64_t total_connections = 0;
  std::uint64_t closed_connections = 0;
  std::uint64_t refused_connections = 0;
  std::uint64_t peak_connections = 0;
  std::uint64_t total_requests = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t error_count = 0;
  std::uint64_t response_time_sum_us = 0;
  std::uint64_t response_time_count = 0;
  std::uint64_t dropped_records = 0;
  std::array<std::uint64_t, histogram_buckets> response_time{};
  std::array<std::uint64_t, reason_capacity> reasons{};

  bool operator==(const CounterTotals&) const = default;
};

/// Sums over the threads for one rule, user or backend.
struct TallyTotals {
  std::string name;  ///< kind and id: see lib/daemon/counter_segments.h
  std::uint64_t uses = 0;
  std::uint64_t ended = 0;
  std::uint64_t failures = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t last_at_ms = 0;

  bool operator==(const TallyTotals&) const = default;
};

/// Makes and preallocates the file (mode 0600, posix_fallocate). Throws Error. Returns the descriptor.
int create_counter_file(const std::string& path, std::string_view incarnation, std::size_t threads,
                        std::size_t entries, std::size_t slot_bytes = sizeof(CounterSlot));
/// Writes `name` into the file of names.
void name_counter_slot(int names, std::size_t entry, std::string_view name);
/// True while a worker holds the lock.
bool counter_file_in_use(int fd);
/// What one file holds, for all entries that have a name; read with pread.
struct CounterFileTotals {
  std::string incarnation;
  std::vector<CounterTotals> servers;  ///< in files of servers
  std::vector<TallyTotals> tallies;    ///< in the others
};
/// Checks header and size first. Throws Error when the file is not one of ours.
CounterFileTotals read_counters(int fd, int names);

}  // namespace arcus::wire
