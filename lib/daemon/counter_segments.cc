#include "lib/daemon/counter_segments.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "lib/base/error.h"
#include "lib/wire/counters.h"

namespace arcus::daemon {

static constexpr std::size_t most_doublings = 16;
static constexpr std::size_t most_entries = std::size_t{1} << wire::tally_entry_bits;

CounterSegments::CounterSegments(std::filesystem::path run_dir, std::string incarnation, std::size_t threads)
    : run_dir_{std::move(run_dir)},
      incarnation_{std::move(incarnation)},
      threads_{threads},
      servers_{.slot_bytes = sizeof(wire::CounterSlot), .first_capacity = 16, .most_capacity = 1024},
      tallies_{.slot_bytes = sizeof(wire::Tally), .first_capacity = 64, .most_capacity = most_entries} {}

CounterPlace CounterSegments::place_of(const std::string& server_id) {
  return take_place(servers_, server_id);
}

std::uint32_t CounterSegments::tally_of(TallyKind kind, const std::string& id) {
  if (segments_.empty()) grow(servers_);  // place 0 is nobody's
  const std::string name = static_cast<char>(kind) + id;
  if (segments_.size() >= wire::most_tally_segments && !places_.contains(name)) return 0;
  const CounterPlace place = take_place(tallies_, name);
  return wire::tally_place(static_cast<std::size_t>(place.segment), static_cast<std::size_t>(place.slot));
}

CounterPlace CounterSegments::take_place(Pool& pool, const std::string& name) {
  if (const auto known = places_.find(name); known != places_.end()) return known->second;
  const bool has_room = !pool.segments.empty() &&
                        segments_[pool.segments.back()].used < segments_[pool.segments.back()].capacity;
  Segment& segment = has_room ? segments_[pool.segments.back()] : grow(pool);
  wire::name_counter_slot(segment.names.get(), segment.used, name);
  const CounterPlace place{.segment = segment.number, .slot = static_cast<std::int64_t>(segment.used)};
  ++segment.used;
  places_.emplace(name, place);
  return place;
}

CounterSegments::Segment& CounterSegments::grow(Pool& pool) {
  const std::size_t number = segments_.size();
  const std::size_t doublings = std::min<std::size_t>(2 * pool.segments.size(), most_doublings);
  const std::size_t capacity = std::min(pool.first_capacity << doublings, pool.most_capacity);
  const std::string base = run_dir_ / (incarnation_ + "." + std::to_string(number));
  // The names first: a counter file without them could not be read.
  const std::string names = base + names_suffix;
  Segment segment{
      .number = static_cast<std::int64_t>(number),
      .capacity = capacity,
      .used = 0,
      .for_worker = {},
      .names = UniqueFd{::open(names.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)}};
  if (!segment.names) throw system_error("cannot create '" + names + "'", errno);
  try {
    segment.for_worker.reset(
        wire::create_counter_file(base + counter_suffix, incarnation_, threads_, capacity, pool.slot_bytes));
  } catch (const Error&) {
    ::unlink(names.c_str());
    throw;
  }
  segments_.push_back(std::move(segment));
  pool.segments.push_back(number);
  return segments_.back();
}

}  // namespace arcus::daemon
