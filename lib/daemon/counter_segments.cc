#include "lib/daemon/counter_segments.h"

#include <fcntl.h>

#include <cerrno>

#include "lib/base/error.h"
#include "lib/wire/counters.h"

namespace arcus::daemon {

static constexpr std::size_t first_capacity = 16;
static constexpr std::size_t most_capacity = 1024;

CounterSegments::CounterSegments(std::filesystem::path run_dir, std::string incarnation, std::size_t threads)
    : run_dir_{std::move(run_dir)}, incarnation_{std::move(incarnation)}, threads_{threads} {}

CounterPlace CounterSegments::place_of(const std::string& server_id) {
  if (const auto known = places_.find(server_id); known != places_.end()) return known->second;
  Segment& segment =
      segments_.empty() || segments_.back().used == segments_.back().capacity ? grow() : segments_.back();
  wire::name_counter_slot(segment.ours.get(), segment.used, server_id);
  const CounterPlace place{.segment = segment.number, .slot = static_cast<std::int64_t>(segment.used)};
  ++segment.used;
  places_.emplace(server_id, place);
  return place;
}

CounterSegments::Segment& CounterSegments::grow() {
  const std::size_t number = segments_.size();
  const std::size_t capacity = std::min(first_capacity << (2 * number), most_capacity);
  const std::string path = run_dir_ / (incarnation_ + "." + std::to_string(number) + counter_suffix);
  Segment segment{.number = static_cast<std::int64_t>(number),
                  .capacity = capacity,
                  .used = 0,
                  .for_worker = UniqueFd{wire::create_counter_file(path, incarnation_, threads_, capacity)},
                  .ours = UniqueFd{::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW)}};
  if (!segment.ours) throw system_error("cannot open '" + path + "'", errno);
  segments_.push_back(std::move(segment));
  return segments_.back();
}

}  // namespace arcus::daemon
