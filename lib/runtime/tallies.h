#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "lib/wire/counters.h"

namespace arcus {

/// The tallies of all counter files of a worker. The main thread adds files, all threads look them up.
class Tallies {
 public:
  /// `map` stays as long as this. Throws Error for a segment that cannot be named.
  void add(std::int64_t segment, const wire::CounterMap& map);
  /// Where `thread` counts; nullptr for 0 and for a place that is none.
  wire::Tally* find(std::uint32_t place, unsigned thread) const noexcept;

 private:
  struct File {
    std::atomic<wire::Tally*> first{nullptr};  ///< written last
    std::size_t threads = 0;
    std::size_t entries = 0;
  };
  std::array<File, wire::most_tally_segments> files_;
};

}  // namespace arcus
