#include "lib/net/backlog.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace arcus {

Backlog::BlockPtr Backlog::make(std::size_t capacity) {
  return BlockPtr{new (::operator new(sizeof(Block) + capacity)) Block{.capacity = capacity}};
}

void Backlog::keep(std::string_view bytes) {
  if (bytes.empty()) return;
  const std::string_view held = view();
  if (!block_ || block_->end + bytes.size() > block_->capacity) {
    const std::size_t needed = held.size() + bytes.size(), had = block_ ? block_->capacity : 0;
    BlockPtr larger = make(needed <= had ? had : std::max(needed, 2 * had));
    if (!held.empty()) std::memcpy(larger->bytes(), held.data(), held.size());
    larger->end = held.size();
    block_ = std::move(larger);
  }
  std::memcpy(block_->bytes() + block_->end, bytes.data(), bytes.size());
  block_->end += bytes.size();
}

template <typename Write>
IoResult Backlog::flush_by(Stream& to, Write write) {
  std::size_t written = 0;
  while (!empty()) {
    const IoResult result = write(view());
    written += result.bytes;
    block_->begin += result.bytes;
    if (block_->begin == block_->end) clear();
    if (result.status == IoStatus::failed) return {IoStatus::failed, written};
    if (!empty() && (result.status == IoStatus::blocked || !to.writable()))
      return {IoStatus::blocked, written};
  }
  return {IoStatus::ok, written};
}

IoResult Backlog::flush(Stream& to) {
  return flush_by(to, [&](std::string_view bytes) { return to.write(bytes); });
}

IoResult Backlog::flush_raw(Stream& to) {
  return flush_by(to, [&](std::string_view bytes) { return to.write_raw(bytes); });
}

}  // namespace arcus
