#include "lib/upstream/balancer.h"

#include <algorithm>
#include <array>

namespace arcus {

bool Query::is_tried(const Member& member) const noexcept {
  return std::ranges::find(tried, std::size_t{member.index}) != tried.end();
}

bool Query::is_usable(const Member& member) const noexcept {
  return !member.health->is_down() && !member.is_full() && !is_tried(member);
}

namespace {

/// How often an algorithm proposes a member before find_left() looks at all of them: with half of them down
/// that is never, with 90 % one time in 29.
constexpr int most_proposals = 32;

/// Accepts a usable member with the probability of its share, so that in a slow start it gets that part of
/// its weight.
class Proposals {
 public:
  explicit Proposals(const Query& query) noexcept : query_(query) {}

  bool is_accepted(std::uint32_t position) noexcept {
    const Member& member = query_.roster.members[position];
    if (!query_.is_usable(member)) return false;
    const auto share = static_cast<std::uint64_t>(member.health->share(query_.now));
    if (share >= BackendHealth::whole_share || query_.random.below(BackendHealth::whole_share) < share)
      return true;
    shares_ += share;
    if (query_.random.below(shares_) < share) refused_ = position;
    return false;
  }
  /// One of those that only their share kept out, or nobody.
  std::uint32_t refused() const noexcept { return refused_; }

 private:
  const Query& query_;
  std::uint32_t refused_ = nobody;
  std::uint64_t shares_ = 0;
};

template <typename Propose>
std::uint32_t accept(const Query& query, Propose propose) noexcept {
  Proposals proposals(query);
  for (int n = 0; n < most_proposals; ++n)
    if (const std::uint32_t position = propose(); proposals.is_accepted(position)) return position;
  return proposals.refused();
}

/// A slow start does not count: the order is what the operator wants.
std::uint32_t pick_failover(const Query& query, BalancerState&) {
  const auto usable = [&](const Member& member) { return query.is_usable(member); };
  const auto found = std::ranges::find_if(query.roster.members, usable);
  return found == query.roster.members.end()
             ? nobody
             : static_cast<std::uint32_t>(found - query.roster.members.begin());
}

/// The client's walk through the table, to the first who is `wanted`. Neighbours in the table are as good as
/// random, so that the clients of a lost backend spread over all others.
template <typename Wanted>
std::uint32_t walk(const Query& query, Wanted wanted) noexcept {
  const Maglev& table = query.roster.maglev;
  if (table.empty()) return wanted(0) ? 0 : nobody;
  std::size_t place = table.start_of(mix(query.key));
  for (int n = 0; n < 2 * most_proposals; ++n) {
    const std::uint32_t position = table.at(place);
    if (wanted(position)) return position;
    if (++place == table.size()) place = 0;
  }
  return nobody;
}

/// A slow start does not count: a client that came back to its backend had it before.
std::uint32_t pick_ip_hash(const Query& query, BalancerState&) {
  return walk(query, [&](std::uint32_t position) { return query.is_usable(query.roster.members[position]); });
}

std::uint32_t least_loaded(const Query& query, Loads& loads) noexcept {
  const std::vector<Member>& members = query.roster.members;
  for (int n = 0; n < most_proposals; ++n) {
    const std::uint32_t position = loads.least();
    if (position >= members.size()) return nobody;
    if (query.is_tried(members[position])) {
      loads.shut(position);  // until the next look, which may be in a later pick
    } else if (!loads.look(query.roster, position, query.now)) {
      loads.note_pick(position);
      return position;
    }
  }
  return nobody;
}

Loads& loads_of(const Query& query, BalancerState& state) {
  if (state.loads.empty())
    state.loads.begin(query.roster, query.now, query.random);
  else
    state.loads.look_around(query.roster, query.now);
  return state.loads;
}

/// A slow start makes the weight less, for the load and for the turns among equals.
std::uint32_t pick_least_connections(const Query& query, BalancerState& state) {
  return least_loaded(query, loads_of(query, state));
}

/// The client's own backend, or the next of its walk with room: nobody has more than 5/4 of its fair part. In
/// a slow start that part is less.
std::uint32_t pick_consistent_hash(const Query& query, BalancerState& state) {
  Loads& loads = loads_of(query, state);
  const std::uint32_t position = walk(query, [&](std::uint32_t next) {
    if (!query.is_usable(query.roster.members[next])) return false;
    loads.look(query.roster, next, query.now);
    return loads.has_room(next);
  });
  if (position == nobody) return least_loaded(query, loads);
  loads.note_pick(position);
  return position;
}

std::uint32_t pick_random(const Query& query, BalancerState&) {
  return accept(query, [&] { return query.roster.lots.draw(query.random, query.roster.members.size()); });
}

/// One who is not there when its turn comes has lost it.
std::uint32_t pick_round_robin(const Query& query, BalancerState& state) {
  if (query.roster.classes.empty()) return pick_failover(query, state);
  if (state.turns.empty()) state.turns.begin(query.roster, query.random);
  return accept(query, [&] { return state.turns.take(query.roster); });
}

/// True when `a` carries less than `b` for its weight.
bool is_less_loaded(const Member& a, const Member& b, SteadyTime now) noexcept {
  const auto load = [now](const Member& one, const Member& other) {
    return one.health->active.load(std::memory_order_relaxed) * other.weight * other.health->share(now);
  };
  return load(a, b) < load(b, a);
}

std::uint32_t pick_two_choices(const Query& query, BalancerState& state) {
  const std::uint32_t one = pick_random(query, state);
  if (one == nobody || query.roster.members.size() < 2) return one;
  constexpr int chances_of_another = 4;
  for (int n = 0; n < chances_of_another; ++n) {
    const std::uint32_t other = pick_random(query, state);
    if (other == nobody || other == one) continue;
    const std::vector<Member>& members = query.roster.members;
    return is_less_loaded(members[other], members[one], query.now) ? other : one;
  }
  return one;
}

constexpr Balancer table[] = {
    {"consistent_hash", "by the client's address, to the next while its backend has 5/4 of its share",
     Aid::maglev, pick_consistent_hash},
    {"failover", "the first healthy backend in order", Aid::none, pick_failover},
    {"ip_hash", "by the client's address, stable while the backend is healthy", Aid::maglev, pick_ip_hash},
    {"least_connections", "the fewest active connections per weight", Aid::none, pick_least_connections},
    {"random", "at random, by weight", Aid::lots, pick_random},
    {"round_robin", "each healthy backend in turn, by weight", Aid::classes, pick_round_robin},
    {"two_choices", "the less loaded of two taken at random", Aid::lots, pick_two_choices},
};
static_assert(std::ranges::is_sorted(table, {}, &Balancer::name));

constexpr auto infos = [] {
  std::array<AlgorithmInfo, std::size(table)> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = {table[i].name, table[i].summary};
  return all;
}();

}  // namespace

static std::uint32_t find_due_trial(const Query& query) noexcept {
  const auto is_due = [&](const Member& member) {
    return member.health->is_down() && !member.is_full() && !query.is_tried(member) &&
           member.health->may_try(query.now);
  };
  const auto found = std::ranges::find_if(query.roster.members, is_due);
  if (found == query.roster.members.end()) return nobody;
  return static_cast<std::uint32_t>(found - query.roster.members.begin());
}

Left find_left(const Query& query) noexcept {
  const bool by_client = query.roster.aid == Aid::maglev;
  Left left;
  std::uint64_t best = 0;  // by client: the highest score; else all weights so far
  for (std::uint32_t i = 0; i < query.roster.members.size(); ++i) {
    const Member& member = query.roster.members[i];
    if (member.health->is_down() || query.is_tried(member)) continue;
    if (member.is_full()) {
      left.has_full = true;
    } else if (by_client) {
      const std::uint64_t score = (mix(query.key ^ member.identity) >> 9) * member.weight;
      if (left.position == nobody || score > best) best = score, left.position = i;
    } else {
      const auto share = static_cast<std::uint64_t>(member.health->share(query.now));
      best += member.weight * share;
      if (query.random.below(best) < member.weight * share) left.position = i;
    }
  }
  if (left.position == nobody) left.position = find_due_trial(query);
  return left;
}

std::span<const Balancer> balancers() noexcept { return table; }

std::span<const AlgorithmInfo> balance_algorithms() noexcept { return infos; }

const Balancer* find_balancer(std::string_view name) noexcept {
  const auto* row = std::ranges::lower_bound(table, name, {}, &Balancer::name);
  return row != std::end(table) && row->name == name ? row : nullptr;
}

}  // namespace arcus
