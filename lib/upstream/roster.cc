#include "lib/upstream/roster.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <utility>

namespace arcus {

/// Vose's way to fill the columns, in whole numbers: a column is as high as all weights together.
Lots::Lots(const std::vector<Member>& members) {
  const auto heavier = [&](const Member& one) { return one.weight != members.front().weight; };
  if (std::ranges::none_of(members, heavier)) return;
  columns_.resize(members.size());
  std::vector<std::uint64_t> left(members.size());
  for (const Member& member : members) height_ += member.weight;
  std::vector<std::uint32_t> below;
  std::vector<std::uint32_t> above;
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    left[i] = std::uint64_t{members[i].weight} * members.size();
    (left[i] < height_ ? below : above).push_back(i);
  }
  while (!below.empty()) {
    const std::uint32_t low = below.back();
    const std::uint32_t high = above.back();
    below.pop_back();
    columns_[low] = {.own = static_cast<std::uint32_t>(left[low]), .other = high};
    left[high] -= height_ - left[low];
    if (left[high] >= height_) continue;
    above.pop_back();
    below.push_back(high);
  }
  for (const std::uint32_t full : above) columns_[full] = {static_cast<std::uint32_t>(height_), full};
}

std::uint32_t Lots::draw(Random& random, std::size_t members) const noexcept {
  const std::uint64_t drawn = random.next();
  const auto column = static_cast<std::uint32_t>((drawn >> 32) * members >> 32);
  if (columns_.empty()) return column;
  const Column& found = columns_[column];
  return (drawn & 0xffffffff) * height_ >> 32 < found.own ? column : found.other;
}

static void sort_by_weight(Roster& roster) {
  roster.by_weight.resize(roster.members.size());
  std::iota(roster.by_weight.begin(), roster.by_weight.end(), 0U);
  const auto weight = [&](std::uint32_t position) { return roster.members[position].weight; };
  std::ranges::sort(roster.by_weight, [&](std::uint32_t a, std::uint32_t b) {
    return weight(a) != weight(b) ? weight(a) > weight(b) : a < b;
  });
  for (std::uint32_t i = 0; i < roster.by_weight.size(); ++i) {
    if (roster.classes.empty() || roster.classes.back().weight != weight(roster.by_weight[i]))
      roster.classes.push_back({.first = i, .count = 0, .weight = weight(roster.by_weight[i])});
    ++roster.classes.back().count;
  }
}

std::shared_ptr<const Roster> Roster::make(std::vector<Member> members, Aid aid,
                                           const std::shared_ptr<const Roster>& previous) {
  if (previous && previous->aid == aid && previous->members == members) return previous;
  static std::atomic<std::uint64_t> last_number{0};
  auto roster = std::make_shared<Roster>();
  roster->number = last_number.fetch_add(1, std::memory_order_relaxed) + 1;
  roster->aid = aid;
  roster->members = std::move(members);
  if (roster->members.size() < 2) return roster;
  switch (aid) {
    case Aid::none:
      break;
    case Aid::lots:
      roster->lots = Lots(roster->members);
      break;
    case Aid::classes:
      sort_by_weight(*roster);
      break;
    case Aid::maglev:
      roster->maglev = Maglev(roster->members, previous ? previous->maglev.size() : 0);
      break;
  }
  return roster;
}

}  // namespace arcus
