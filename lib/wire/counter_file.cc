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
constexpr std::size_t max_servers = 4096;
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
      header.slot_bytes != sizeof(CounterSlot) || header.threads == 0 || header.threads > max_threads ||
      header.servers == 0 || header.servers > max_servers ||
      static_cast<std::size_t>(info.st_size) != counter_file_size(header.threads, header.servers))
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

}  // namespace

int create_counter_file(const std::string& path, std::string_view incarnation, std::size_t threads,
                        std::size_t servers) {
  UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd) throw system_error("cannot create '" + path + "'", errno);
  // Locked from its first moment: the lock travels with the descriptor and ends with the last holder of it.
  struct flock lock = first_byte();
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) throw system_error("cannot lock '" + path + "'", errno);
  const auto size = static_cast<off_t>(counter_file_size(threads, servers));
  if (const int error = ::posix_fallocate(fd.get(), 0, size); error != 0) {
    ::unlink(path.c_str());
    throw system_error("cannot allocate '" + path + "'", error);
  }
  CounterHeader header;
  header.threads = static_cast<std::uint32_t>(threads);
  header.servers = static_cast<std::uint32_t>(servers);
  header.slot_bytes = sizeof(CounterSlot);
  std::copy_n(incarnation.data(), std::min(incarnation.size(), header.incarnation.size()),
              header.incarnation.data());
  write_all(fd.get(), &header, sizeof header, 0);
  return fd.release();
}

void name_counter_slot(int fd, std::size_t slot, std::string_view server_id) {
  std::array<char, name_bytes> name{};
  std::copy_n(server_id.data(), std::min(server_id.size(), name.size()), name.data());
  write_all(fd, name.data(), name.size(), server_table_offset() + slot * name_bytes);
}

bool counter_file_in_use(int fd) {
  struct flock lock = first_byte();
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) throw system_error("counter file", errno);
  return lock.l_type != F_UNLCK;
}

std::vector<CounterTotals> read_counters(int fd, std::string* incarnation) {
  const CounterHeader header = read_header(fd);
  if (incarnation)
    incarnation->assign(header.incarnation.data(),
                        ::strnlen(header.incarnation.data(), header.incarnation.size()));
  std::vector<std::array<char, name_bytes>> names(header.servers);
  read_all(fd, names.data(), names.size() * name_bytes, server_table_offset());
  while (!names.empty() && names.back()[0] == '\0') names.pop_back();

  std::vector<CounterTotals> out(names.size());
  std::vector<RawSlot> slots(names.size());
  for (std::size_t thread = 0; thread < header.threads && !names.empty(); ++thread) {
    const std::size_t first = thread * header.servers;
    read_all(fd, slots.data(), slots.size() * sizeof(RawSlot),
             slots_offset(header.servers) + first * sizeof(RawSlot));
    for (std::size_t i = 0; i < names.size(); ++i) add(out[i], slots[i]);
  }
  for (std::size_t i = 0; i < names.size(); ++i)
    out[i].server_id.assign(names[i].data(), ::strnlen(names[i].data(), name_bytes));
  std::erase_if(out, [](const CounterTotals& totals) { return totals.server_id.empty(); });
  return out;
}

}  // namespace arcus::wire
