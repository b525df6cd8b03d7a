#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "lib/net/stream.h"

namespace arcus {

/// Bytes a peer would not take yet. One pointer while there are none: idle connections have several.
class Backlog {
 public:
  bool empty() const noexcept { return !block_; }
  std::size_t size() const noexcept { return view().size(); }
  std::string_view view() const noexcept {
    return block_ ? std::string_view{block_->bytes() + block_->begin, block_->end - block_->begin}
                  : std::string_view{};
  }

  /// Appends a copy.
  void keep(std::string_view bytes);
  /// Writes what `to` takes. `ok` when empty afterwards, else `blocked` or `failed`; `bytes` = how much went.
  IoResult flush(Stream& to);
  /// The same past the stream's layer, for the layer itself.
  IoResult flush_raw(Stream& to);
  void clear() noexcept { block_.reset(); }

 private:
  /// Stands in front of the bytes, in the same allocation. Some of them are always left.
  struct Block {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::size_t capacity = 0;

    char* bytes() noexcept { return static_cast<char*>(static_cast<void*>(this + 1)); }
  };
  struct Free {
    void operator()(Block* block) const noexcept { ::operator delete(block); }
  };
  using BlockPtr = std::unique_ptr<Block, Free>;

  static BlockPtr make(std::size_t capacity);
  template <typename Write>
  IoResult flush_by(Stream& to, Write write);

  BlockPtr block_;
};

}  // namespace arcus
