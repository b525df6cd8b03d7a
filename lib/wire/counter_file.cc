#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/wire/counters.h"

namespace arcus::wire {
namespace {

constexpr std::size_t max_threads = 64;
constexpr std::size_t max_entries = std::size_t{1} << tally_entry_bits;
constexpr std::size_t name_bytes = 16;

/// A slot as it stands in the file. The counts of CounterSlot are 64-bit words and nothing else.
using RawSlot = std::array<std::uint64_t, sizeof(CounterSlot) / sizeof(std::uint64_t)>;

enum Word : std::size_t {  // order of CounterSlot
  total_connections,
  closed_connections,
  refused_connections,
  peak_connections,
  total_requests,
  bytes_in,
  bytes_out,
  error_count,
  response_time_sum_us,
  response_time_count,
  dropped_records,
  response_time = dropped_records + 1 + 5,
  reasons = response_time + histogram_buckets,
};
static_assert(offsetof(CounterSlot, response_time) == Word::response_time * sizeof(std::uint64_t));
static_assert(offsetof(CounterSlot, reasons) == Word::reasons * sizeof(std::uint64_t));
static_assert(offsetof(CounterSlot, dropped_records) == Word::dropped_records * sizeof(std::uint64_t));

/// A Tally as it stands in the file.
struct RawTally {
  std::uint64_t uses, ended, failures, bytes_in, bytes_out, last_at_ms, spare[2];
};
static_assert(sizeof(RawTally) == sizeof(Tally));
static_assert(offsetof(RawTally, last_at_ms) == offsetof(Tally, last_at_ms));

[[noreturn]] void refuse() { throw Error{ErrorKind::failed, "counter file: not one of ours"}; }

void read_all(int fd, void* into, std::size_t size, std::size_t offset) {
  auto* bytes = static_cast<char*>(into);
  while (size > 0) {
    const ssize_t n = ::pread(fd, bytes, size, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("counter file", errno);
    if (n == 0) refuse();  // shorter than its header says
    bytes += n;
    size -= static_cast<std::size_t>(n);
    offset += static_cast<std::size_t>(n);
  }
}

void write_all(int fd, const void* from, std::size_t size, std::size_t offset) {
  const auto n = ::pwrite(fd, from, size, static_cast<off_t>(offset));
  if (n != static_cast<ssize_t>(size)) throw system_error("counter file", n < 0 ? errno : ENOSPC);
}

struct flock first_byte() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  return lock;
}

CounterHeader read_header(int fd) {
  struct stat info {};
  CounterHeader header;
  if (::fstat(fd, &info) != 0) throw system_error("counter file", errno);
  read_all(fd, &header, sizeof header, 0);
  if (header.magic != counter_magic || header.version != counter_version ||
      (header.slot_bytes != sizeof(CounterSlot) && header.slot_bytes != sizeof(Tally)) ||
      header.threads == 0 || header.threads > max_threads || header.entries == 0 ||
      header.entries > max_entries ||
      static_cast<std::size_t>(info.st_size) !=
          counter_file_size(header.threads, header.entries, header.slot_bytes))
    refuse();
  return header;
}

void add(CounterTotals& sum, const RawSlot& slot) {
  sum.total_connections += slot[Word::total_connections];
  sum.closed_connections += slot[Word::closed_connections];
  sum.refused_connections += slot[Word::refused_connections];
  sum.peak_connections = std::max(sum.peak_connections, slot[Word::peak_connections]);
  sum.total_requests += slot[Word::total_requests];
  sum.bytes_in += slot[Word::bytes_in];
  sum.bytes_out += slot[Word::bytes_out];
  sum.error_count += slot[Word::error_count];
  sum.response_time_sum_us += slot[Word::response_time_sum_us];
  sum.response_time_count += slot[Word::response_time_count];
  sum.dropped_records += slot[Word::dropped_records];
  for (std::size_t i = 0; i < histogram_buckets; ++i) sum.response_time[i] += slot[Word::response_time + i];
  for (std::size_t i = 0; i < reason_capacity; ++i) sum.reasons[i] += slot[Word::reasons + i];
}

void add(TallyTotals& sum, const RawTally& slot) {
  sum.uses += slot.uses;
  sum.ended += slot.ended;
  sum.failures += slot.failures;
  sum.bytes_in += slot.bytes_in;
  sum.bytes_out += slot.bytes_out;
  sum.last_at_ms = std::max(sum.last_at_ms, slot.last_at_ms);
}

/// The names given so far; unnamed entries among them are empty.
std::vector<std::string> read_names(int names, std::size_t entries) {
  std::vector<std::array<char, name_bytes>> raw(entries);
  std::size_t size = 0;
  while (size < entries * name_bytes) {
    const ssize_t n = ::pread(names, reinterpret_cast<char*>(raw.data()) + size, entries * name_bytes - size,
                              static_cast<off_t>(size));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error("names of counters", errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  std::vector<std::string> out;
  for (std::size_t i = 0; i < size / name_bytes; ++i)
    out.emplace_back(raw[i].data(), ::strnlen(raw[i].data(), name_bytes));
  return out;
}

/// Sums over the threads, in the order of the names.
template <typename Raw, typename Totals>
void sum_up(int fd, const CounterHeader& header, std::vector<Totals>& totals) {
  std::vector<Raw> slots(totals.size());
  for (std::size_t thread = 0; thread < header.threads && !totals.empty(); ++thread) {
    read_all(fd, slots.data(), slots.size() * sizeof(Raw),
             sizeof(CounterHeader) + thread * header.entries * sizeof(Raw));
    for (std::size_t i = 0; i < totals.size(); ++i) add(totals[i], slots[i]);
  }
}

}  // namespace

int create_counter_file(const std::string& path, std::string_view incarnation, std::size_t threads,
                        std::size_t entries, std::size_t slot_bytes) {
  UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd) throw system_error("cannot create '" + path + "'", errno);
  // Locked from its first moment: the lock travels with the descriptor and ends with the last holder of it.
  struct flock lock = first_byte();
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) throw system_error("cannot lock '" + path + "'", errno);
  const auto size = static_cast<off_t>(counter_file_size(threads, entries, slot_bytes));
  if (const int error = ::posix_fallocate(fd.get(), 0, size); error != 0) {
    ::unlink(path.c_str());
    throw system_error("cannot allocate '" + path + "'", error);
  }
  CounterHeader header;
  header.threads = static_cast<std::uint32_t>(threads);
  header.entries = static_cast<std::uint32_t>(entries);
  header.slot_bytes = static_cast<std::uint32_t>(slot_bytes);
  std::copy_n(incarnation.data(), std::min(incarnation.size(), header.incarnation.size()),
              header.incarnation.data());
  write_all(fd.get(), &header, sizeof header, 0);
  return fd.release();
}

void name_counter_slot(int names, std::size_t entry, std::string_view name) {
  std::array<char, name_bytes> text{};
  std::copy_n(name.data(), std::min(name.size(), text.size()), text.data());
  write_all(names, text.data(), text.size(), entry * name_bytes);
}

bool counter_file_in_use(int fd) {
  struct flock lock = first_byte();
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) throw system_error("counter file", errno);
  return lock.l_type != F_UNLCK;
}

CounterFileTotals read_counters(int fd, int names) {
  const CounterHeader header = read_header(fd);
  CounterFileTotals out;
  out.incarnation.assign(header.incarnation.data(),
                         ::strnlen(header.incarnation.data(), header.incarnation.size()));
  for (std::string& name : read_names(names, header.entries))
    if (header.slot_bytes == sizeof(CounterSlot))
      out.servers.push_back({.server_id = std::move(name)});
    else
      out.tallies.push_back({.name = std::move(name)});
  sum_up<RawSlot>(fd, header, out.servers);
  sum_up<RawTally>(fd, header, out.tallies);
  std::erase_if(out.servers, [](const CounterTotals& totals) { return totals.server_id.empty(); });
  std::erase_if(out.tallies, [](const TallyTotals& totals) { return totals.name.empty(); });
  return out;
}

}  // namespace arcus::wire
