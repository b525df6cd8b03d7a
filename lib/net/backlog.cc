#include "lib/net/backlog.h"

#include <algorithm>
#include <cstring>

namespace arcus {

void Backlog::keep(std::string_view bytes) {
  if (bytes.empty()) return;
  if (end_ + bytes.size() > capacity_) {
    const std::size_t capacity = std::max(size() + bytes.size(), capacity_);
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    std::copy_n(data_.get() + begin_, size(), data.get());
    end_ = size();
    begin_ = 0;
    data_ = std::move(data);
    capacity_ = capacity;
  }
  std::memcpy(data_.get() + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

template <typename Write>
IoResult Backlog::flush_by(Stream& to, Write write) {
  std::size_t written = 0;
  while (!empty()) {
    const IoResult result = write(view());
    written += result.bytes;
    begin_ += result.bytes;
    if (result.status == IoStatus::failed) return {IoStatus::failed, written};
    if (!empty() && (result.status == IoStatus::blocked || !to.writable()))
      return {IoStatus::blocked, written};
  }
  clear();
  return {IoStatus::ok, written};
}

IoResult Backlog::flush(Stream& to) {
  return flush_by(to, [&](std::string_view bytes) { return to.write(bytes); });
}

IoResult Backlog::flush_raw(Stream& to) {
  return flush_by(to, [&](std::string_view bytes) { return to.write_raw(bytes); });
}

void Backlog::clear() noexcept {
  data_.reset();
  begin_ = end_ = capacity_ = 0;
}

}  // namespace arcus
