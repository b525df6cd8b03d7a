#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/reason.h"

/// The counter file of one worker incarnation: a preallocated file in the run directory that the worker maps
/// and adds to, and that the daemon reads with pread (never maps: a hostile worker could truncate it). The
/// worker holds an OFD write lock on byte 0 as long as it lives; a free lock means that the counts are final.
///
///   CounterHeader | server table: capacity x 16 bytes (id as text, written by the daemon) | slots
///   [thread][server]
///
/// All parts start on a multiple of 64 bytes. Every slot has exactly one writing thread. All counts only ever
/// grow.
namespace arcus::wire {

inline constexpr std::uint64_t counter_magic = 0x31544e4353435241;  // "ARCSCNT1"
inline constexpr std::uint32_t counter_version = 1;
inline constexpr std::size_t histogram_buckets = 48;
inline constexpr std::size_t reason_capacity = 64;
static_assert(reason_count <= reason_capacity);

struct CounterHeader {
  std::uint64_t magic = counter_magic;
  std::uint32_t version = counter_version;
  std::uint32_t threads = 0;
  std::uint32_t servers = 0;  ///< capacity
  std::uint32_t slot_bytes = 0;
  std::array<char, 16> incarnation{};
  std::array<char, 24> padding{};
};
static_assert(sizeof(CounterHeader) == 64);

/// One count: plain relaxed load and store, since only one thread writes it.
class Count {
 public:
  void add(std::uint64_t amount = 1) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  void raise_to(std::uint64_t amount) noexcept {
    if (amount > value_.load(std::memory_order_relaxed)) value_.store(amount, std::memory_order_relaxed);
  }
  std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};
static_assert(sizeof(Count) == 8 && std::atomic<std::uint64_t>::is_always_lock_free);

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

/// Two buckets per doubling from 32 us: bucket 0 is below 32 us, the last everything above.
std::size_t bucket_of(std::uint64_t microseconds) noexcept;
/// The upper bound of a bucket in microseconds.
std::uint64_t bucket_limit(std::size_t bucket) noexcept;

/// Where things stand in a file for `threads` x `servers`.
constexpr std::size_t server_table_offset() noexcept { return sizeof(CounterHeader); }
constexpr std::size_t slots_offset(std::size_t servers) noexcept {
  return (sizeof(CounterHeader) + servers * 16 + 63) / 64 * 64;
}
constexpr std::size_t counter_file_size(std::size_t threads, std::size_t servers) noexcept {
  return slots_offset(servers) + threads * servers * sizeof(CounterSlot);
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
  std::size_t servers() const noexcept { return servers_; }
  /// Stays valid as long as the map. Both indexes must be in range.
  CounterSlot& slot(std::size_t thread, std::size_t server) const noexcept;

 private:
  void* base_ = nullptr;
  std::size_t size_ = 0;
  std::size_t threads_ = 0;
  std::size_t servers_ = 0;
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

/// Makes and preallocates the file (mode 0600, posix_fallocate). Throws Error. Returns the descriptor.
int create_counter_file(const std::string& path, std::string_view incarnation, std::size_t threads,
                        std::size_t servers);
/// Writes `server_id` into the table at `slot`.
void name_counter_slot(int fd, std::size_t slot, std::string_view server_id);
/// True while a worker holds the lock.
bool counter_file_in_use(int fd);
/// Reads all named slots with pread; checks header and size first. Throws Error when the file is not one of
/// ours.
std::vector<CounterTotals> read_counters(int fd, std::string* incarnation = nullptr);

}  // namespace arcus::wire
