#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/base/error.h"
#include "lib/wire/counters.h"

namespace arcus::wire {

std::size_t bucket_of(std::uint64_t microseconds) noexcept {
  if (microseconds < 32) return 0;
  const auto power = static_cast<std::size_t>(std::bit_width(microseconds) - 1);  // 5 for 32..63
  const std::size_t upper_half = (microseconds >> (power - 1)) & 1;
  const std::size_t bucket = 1 + (power - 5) * 2 + upper_half;
  return bucket < histogram_buckets ? bucket : histogram_buckets - 1;
}

std::uint64_t bucket_limit(std::size_t bucket) noexcept {
  if (bucket == 0) return 32;
  if (bucket >= histogram_buckets - 1) return UINT64_MAX;
  const std::uint64_t start = std::uint64_t{32} << ((bucket - 1) / 2);
  return (bucket - 1) % 2 == 0 ? start + start / 2 : start * 2;
}

CounterMap::CounterMap(int fd) : fd_{fd} {
  struct stat info {};
  CounterHeader header;
  if (::fstat(fd, &info) != 0) throw system_error("counter file", errno);
  if (::pread(fd, &header, sizeof header, 0) != static_cast<ssize_t>(sizeof header) ||
      header.magic != counter_magic || header.version != counter_version ||
      (header.slot_bytes != sizeof(CounterSlot) && header.slot_bytes != sizeof(Tally)) ||
      header.threads == 0 || header.entries == 0 ||
      static_cast<std::size_t>(info.st_size) !=
          counter_file_size(header.threads, header.entries, header.slot_bytes))
    throw Error{ErrorKind::failed, "counter file: not one of ours"};
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  if (::fcntl(fd, F_OFD_SETLK, &lock) != 0) throw system_error("counter file: cannot lock it", errno);
  size_ = static_cast<std::size_t>(info.st_size);
  threads_ = header.threads;
  entries_ = header.entries;
  slot_bytes_ = header.slot_bytes;
  void* base = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base == MAP_FAILED) throw system_error("counter file: cannot map it", errno);
  base_ = base;
}

CounterMap::CounterMap(CounterMap&& other) noexcept
    : base_{std::exchange(other.base_, nullptr)},
      size_{other.size_},
      threads_{other.threads_},
      entries_{other.entries_},
      slot_bytes_{other.slot_bytes_},
      fd_{std::exchange(other.fd_, -1)} {}

CounterMap::~CounterMap() {
  if (!base_) return;
  ::munmap(base_, size_);
  struct flock lock {};
  lock.l_type = F_UNLCK;
  lock.l_whence = SEEK_SET;
  lock.l_len = 1;
  ::fcntl(fd_, F_OFD_SETLK, &lock);
}

CounterSlot& CounterMap::slot(std::size_t thread, std::size_t entry) const noexcept {
  auto* start = static_cast<std::byte*>(base_) + sizeof(CounterHeader);
  return reinterpret_cast<CounterSlot*>(start)[thread * entries_ + entry];
}

Tally& CounterMap::tally(std::size_t thread, std::size_t entry) const noexcept {
  auto* start = static_cast<std::byte*>(base_) + sizeof(CounterHeader);
  return reinterpret_cast<Tally*>(start)[thread * entries_ + entry];
}

}  // namespace arcus::wire
