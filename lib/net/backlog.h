#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "lib/net/stream.h"

namespace arcus {

/// Bytes a peer would not take yet. Holds memory only while there are some.
class Backlog {
 public:
  bool empty() const noexcept { return begin_ == end_; }
  std::size_t size() const noexcept { return end_ - begin_; }
  std::string_view view() const noexcept { return {data_.get() + begin_, size()}; }

  /// Appends a copy.
  void keep(std::string_view bytes);
  /// Writes what `to` takes. `ok` when empty afterwards, else `blocked` or `failed`; `bytes` = how much went.
  IoResult flush(Stream& to);
  /// The same past the stream's layer, for the layer itself.
  IoResult flush_raw(Stream& to);
  void clear() noexcept;

 private:
  template <typename Write>
  IoResult flush_by(Stream& to, Write write);

  std::unique_ptr<char[]> data_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace arcus
