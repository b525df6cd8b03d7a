#include "lib/upstream/loads.h"

#include <algorithm>
#include <bit>

namespace arcus {

/// From one turn of a member to the next, for weight 1 of BackendHealth::whole_share.
static constexpr std::uint64_t whole_turn = std::uint64_t{1} << 32;

void Loads::begin(const Roster& roster, SteadyTime now, Random& random) {
  const std::size_t count = roster.members.size();
  const std::size_t places = std::bit_ceil(count);
  leaves_.assign(count, {});
  winners_.assign(2 * places, static_cast<std::uint32_t>(count));
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t turn =
        whole_turn / (std::uint64_t{roster.members[i].weight} * BackendHealth::whole_share);
    leaves_[i].due = random.below(turn);
    winners_[places + i] = i;
  }
  look_at_all(roster, now);
  for (std::size_t match = places; match-- > 1;) {
    const std::uint32_t one = winners_[2 * match];
    const std::uint32_t other = winners_[2 * match + 1];
    winners_[match] = is_less(other, one) ? other : one;
  }
}

void Loads::look_around(const Roster& roster, SteadyTime now) noexcept {
  if (now - looked_at_all_ >= stale_after || now < looked_at_all_) return look_at_all(roster, now);
  for (std::size_t n = std::min(looks, leaves_.size()); n > 0; --n) {
    look(roster, static_cast<std::uint32_t>(cursor_), now);
    if (++cursor_ == leaves_.size()) cursor_ = 0;
  }
}

void Loads::look_at_all(const Roster& roster, SteadyTime now) noexcept {
  for (std::uint32_t i = 0; i < leaves_.size(); ++i) look(roster, i, now);
  looked_at_all_ = now;
}

bool Loads::look(const Roster& roster, std::uint32_t position, SteadyTime now) noexcept {
  const Member& member = roster.members[position];
  const Leaf& known = leaves_[position];
  Leaf leaf{.active = member.health->active.load(std::memory_order_relaxed), .due = known.due};
  if (!member.health->is_down()) {
    leaf.weight = member.weight * static_cast<std::uint32_t>(member.health->share(now));
    leaf.is_open = leaf.active < member.most;
    // A slow start that has gone on brings the next turn nearer.
    if (known.weight < leaf.weight && known.due > clock_)
      leaf.due = clock_ + (known.due - clock_) / leaf.weight * known.weight;
  }
  if (leaf.active == known.active && leaf.weight == known.weight && leaf.is_open == known.is_open)
    return false;
  set(position, leaf);
  return true;
}

void Loads::shut(std::uint32_t position) noexcept {
  Leaf leaf = leaves_[position];
  leaf.is_open = false;
  set(position, leaf);
}

void Loads::set(std::uint32_t position, const Leaf& leaf) noexcept {
  Leaf& known = leaves_[position];
  if (known.weight > 0) active_ -= known.active;
  if (leaf.weight > 0) active_ += leaf.active;
  weight_ += std::int64_t{leaf.weight} - std::int64_t{known.weight};
  known = leaf;
  lift(position);
}

/// Positions past the members lose against all.
bool Loads::is_less(std::uint32_t a, std::uint32_t b) const noexcept {
  if (a >= leaves_.size() || b >= leaves_.size()) return a < b;
  const Leaf& one = leaves_[a];
  const Leaf& other = leaves_[b];
  if (one.is_open != other.is_open) return one.is_open;
  const std::int64_t left = one.active * other.weight;
  const std::int64_t right = other.active * one.weight;
  return left != right ? left < right : one.due < other.due;
}

/// Plays its matches again; where another wins as before, so it does above.
void Loads::lift(std::uint32_t position) noexcept {
  for (std::size_t match = (winners_.size() / 2 + position) / 2; match > 0; match /= 2) {
    const std::uint32_t one = winners_[2 * match];
    const std::uint32_t other = winners_[2 * match + 1];
    const std::uint32_t winner = is_less(other, one) ? other : one;
    if (winner == winners_[match] && winner != position) return;
    winners_[match] = winner;
  }
}

std::uint32_t Loads::least() const noexcept {
  const std::uint32_t winner = winners_[1];
  return winner < leaves_.size() && leaves_[winner].is_open ? winner
                                                            : static_cast<std::uint32_t>(leaves_.size());
}

bool Loads::has_room(std::uint32_t position) const noexcept {
  const Leaf& leaf = leaves_[position];
  if (weight_ == 0) return true;
  const std::int64_t share = 5 * (active_ + 1) * leaf.weight;
  return leaf.active + 1 <= (share + 4 * weight_ - 1) / (4 * weight_);
}

void Loads::note_pick(std::uint32_t position) noexcept {
  Leaf leaf = leaves_[position];
  // One that was too busy for its turns does not get them all at once.
  clock_ = std::max(clock_, leaf.due);
  leaf.due = clock_ + whole_turn / std::max<std::uint32_t>(leaf.weight, 1);
  ++leaf.active;
  set(position, leaf);
}

}  // namespace arcus
