#include "lib/upstream/maglev.h"

#include <algorithm>
#include <array>
#include <limits>

#include "lib/upstream/random.h"
#include "lib/upstream/roster.h"

namespace arcus {

namespace {

constexpr std::uint16_t unclaimed = std::numeric_limits<std::uint16_t>::max();

/// A hundred places for each member keep the shares exact to 1 %. Few sizes, because to change the size moves
/// all keys; primes, because then every step visits all places. 5,003 places are 10 KB, 262,147 are 512 KB.
constexpr std::array<std::size_t, 4> sizes{5'003, 65'537, 262'147, 1'048'583};

std::size_t size_for(std::size_t members, std::size_t before) noexcept {
  if (members * 25 <= before && before <= members * 100 * 60) return before;
  const auto* const size = std::ranges::lower_bound(sizes, members * 100);
  return size == sizes.end() ? sizes.back() : *size;
}

/// The places one member wants, in its own order.
struct Claimant {
  std::size_t place;
  std::size_t step;
  std::uint64_t due;  ///< the round, times its weight, in which it takes its next place
};

std::vector<Claimant> claimants_of(std::span<const Member> members, std::size_t size) {
  std::uint64_t heaviest = 1;
  std::uint64_t total = 0;
  for (const Member& member : members) {
    heaviest = std::max<std::uint64_t>(heaviest, member.weight);
    total += member.weight;
  }
  std::vector<Claimant> all;
  all.reserve(members.size());
  for (const Member& member : members) {
    const std::uint64_t step = mix(member.identity ^ 0x5851f42d4c957f2d);
    // Half a turn ahead rounds its number of places to the nearest; never below one.
    const std::uint64_t whole_table = size * heaviest / total * member.weight;
    all.push_back({.place = mix(member.identity) % size,
                   .step = step % (size - 1) + 1,
                   .due = std::min(heaviest / 2, whole_table / 2)});
  }
  return all;
}

}  // namespace

Maglev::Maglev(std::span<const Member> members, std::size_t before) {
  if (members.empty()) return;
  members = members.first(std::min<std::size_t>(members.size(), unclaimed));  // no place for more
  const std::size_t size = size_for(members.size(), before);
  places_.assign(size, unclaimed);
  auto claimants = claimants_of(members, size);
  const std::uint64_t heaviest = std::ranges::max(members, {}, &Member::weight).weight;
  std::size_t left = size;
  for (std::uint64_t round = 1; left > 0; ++round) {
    for (std::size_t i = 0; i < members.size() && left > 0; ++i) {
      Claimant& one = claimants[i];
      if (round * members[i].weight < one.due) continue;
      one.due += heaviest;
      while (places_[one.place] != unclaimed) one.place = (one.place + one.step) % size;
      places_[one.place] = static_cast<std::uint16_t>(i);
      --left;
    }
  }
}

}  // namespace arcus
