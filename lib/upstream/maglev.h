#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace arcus {

struct Member;

/// A table from keys to members (Eisenbud et al., NSDI 2016): shares follow the weights, and when a member
/// leaves hardly any other key than its own moves. Immutable.
class Maglev {
 public:
  Maglev() = default;
  /// `before` is the size of the table this one follows, 0 = none: another size would move all keys, so a
  /// table keeps its own while that will do.
  Maglev(std::span<const Member> members, std::size_t before);

  bool empty() const noexcept { return places_.empty(); }
  std::size_t size() const noexcept { return places_.size(); }
  /// Where the walk of a key begins; the next place is the next choice.
  std::size_t start_of(std::uint64_t key) const noexcept { return key % places_.size(); }
  std::uint32_t at(std::size_t place) const noexcept { return places_[place]; }

 private:
  std::vector<std::uint16_t> places_;  ///< positions of members
};

}  // namespace arcus
