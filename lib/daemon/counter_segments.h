#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/base/unique_fd.h"

namespace arcus::daemon {

/// Where a server counts in one incarnation of a worker.
struct CounterPlace {
  std::int64_t segment = 0;
  std::int64_t slot = 0;
};

/// The counter files of one incarnation: `<run>/<incarnation>.<segment>.counters`. A server keeps its place
/// for the life of the incarnation, also after it was removed.
class CounterSegments {
 public:
  CounterSegments(std::filesystem::path run_dir, std::string incarnation, std::size_t threads);

  const std::string& incarnation() const noexcept { return incarnation_; }

  /// The place of `server_id`; makes another file when all are full. Throws Error when it cannot.
  CounterPlace place_of(const std::string& server_id);

  /// Calls `pass(segment, fd)` for each file that was not passed on before; the worker's descriptors are
  /// closed here afterwards, so that the file's lock is the worker's alone.
  template <typename Pass>
  void pass_new(Pass pass) {
    for (Segment& segment : segments_) {
      if (!segment.for_worker) continue;
      pass(segment.number, segment.for_worker.get());
      segment.for_worker.reset();
    }
  }

 private:
  struct Segment {
    std::int64_t number = 0;
    std::size_t capacity = 0;
    std::size_t used = 0;
    UniqueFd for_worker;
    UniqueFd ours;
  };

  Segment& grow();

  std::filesystem::path run_dir_;
  std::string incarnation_;
  std::size_t threads_;
  std::vector<Segment> segments_;
  std::unordered_map<std::string, CounterPlace> places_;
};

inline constexpr const char* counter_suffix = ".counters";

}  // namespace arcus::daemon
