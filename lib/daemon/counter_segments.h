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

/// What has a tally; the word is also the one of the registry's table `tally`.
enum class TallyKind : char { acl = 'a', backend = 'b', user = 'u' };

/// The counter files of one incarnation: `<run>/<incarnation>.<segment>.counters` with the names of their
/// entries in `….names`. Who has a place keeps it for the life of the incarnation, also after its removal.
class CounterSegments {
 public:
  CounterSegments(std::filesystem::path run_dir, std::string incarnation, std::size_t threads);

  const std::string& incarnation() const noexcept { return incarnation_; }

  /// The place of `server_id`; makes another file when all are full. Throws Error when it cannot.
  CounterPlace place_of(const std::string& server_id);
  /// The same for a rule, a user or a backend; 0 when there is no place left for it.
  std::uint32_t tally_of(TallyKind kind, const std::string& id);

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
    UniqueFd names;
  };
  /// Segments of one kind, by number; the last of them has room.
  struct Pool {
    std::size_t slot_bytes = 0;
    std::size_t first_capacity = 0;
    std::size_t most_capacity = 0;
    std::vector<std::size_t> segments;
  };

  CounterPlace take_place(Pool& pool, const std::string& name);
  Segment& grow(Pool& pool);

  std::filesystem::path run_dir_;
  std::string incarnation_;
  std::size_t threads_;
  std::vector<Segment> segments_;
  Pool servers_;
  Pool tallies_;
  std::unordered_map<std::string, CounterPlace> places_;  ///< by the name in the file of names
};

inline constexpr const char* counter_suffix = ".counters";
inline constexpr const char* names_suffix = ".names";

}  // namespace arcus::daemon
