#include "lib/runtime/tallies.h"

#include <string>

#include "lib/base/error.h"

namespace arcus {

void Tallies::add(std::int64_t segment, const wire::CounterMap& map) {
  if (segment < 0 || static_cast<std::size_t>(segment) >= files_.size())
    throw Error{ErrorKind::failed, "counter file " + std::to_string(segment) + " is out of range"};
  File& file = files_[static_cast<std::size_t>(segment)];
  file.threads = map.threads();
  file.entries = map.entries();
  file.first.store(&map.tally(0, 0), std::memory_order_release);
}

wire::Tally* Tallies::find(std::uint32_t place, unsigned thread) const noexcept {
  if (place == 0) return nullptr;
  const std::size_t segment = place >> wire::tally_entry_bits;
  const std::size_t entry = place & ((std::uint32_t{1} << wire::tally_entry_bits) - 1);
  if (segment >= files_.size()) return nullptr;
  const File& file = files_[segment];
  wire::Tally* first = file.first.load(std::memory_order_acquire);
  if (first == nullptr || thread >= file.threads || entry >= file.entries) return nullptr;
  return first + thread * file.entries + entry;
}

}  // namespace arcus
