#include "lib/upstream/balancer.h"

#include <algorithm>
#include <array>

namespace arcus {

namespace {

using Pick = std::optional<std::size_t>;

std::uint64_t mix(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

std::uint64_t next_random(BalancerState& state) noexcept { return mix(state.random += 0x9e3779b97f4a7c15); }

Pick pick_failover(BalancerState&, std::span<const Candidate> all, std::uint64_t) {
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].healthy) return i;
  return std::nullopt;
}

/// Highest random weight: each client keeps its backend while that is healthy, and only its clients move when
/// it is not.
Pick pick_ip_hash(BalancerState&, std::span<const Candidate> all, std::uint64_t key) {
  Pick best;
  std::uint64_t best_score = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].healthy) continue;
    std::uint64_t score = 0;
    for (std::int64_t share = 0; share < all[i].weight; ++share)
      score = std::max(score, mix(key ^ mix(i << 16 | static_cast<std::uint64_t>(share))));
    if (!best || score > best_score) best = i, best_score = score;
  }
  return best;
}

/// True when `a` carries less than `b` for its weight.
bool is_less_loaded(const Candidate& a, const Candidate& b) noexcept {
  return (a.active_connections + 1) * b.weight < (b.active_connections + 1) * a.weight;
}

Pick pick_least_connections(BalancerState& state, std::span<const Candidate> all, std::uint64_t) {
  Pick best;
  const std::size_t start = all.empty() ? 0 : next_random(state) % all.size();
  for (std::size_t n = 0; n < all.size(); ++n) {
    const std::size_t i = (start + n) % all.size();
    if (all[i].healthy && (!best || is_less_loaded(all[i], all[*best]))) best = i;
  }
  return best;
}

Pick pick_random(BalancerState& state, std::span<const Candidate> all, std::uint64_t) {
  std::uint64_t total = 0;
  for (const Candidate& one : all)
    if (one.healthy) total += static_cast<std::uint64_t>(one.weight);
  if (total == 0) return std::nullopt;
  std::uint64_t ticket = next_random(state) % total;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].healthy) continue;
    const auto weight = static_cast<std::uint64_t>(all[i].weight);
    if (ticket < weight) return i;
    ticket -= weight;
  }
  return std::nullopt;
}

/// Smooth weighted: every score grows by its weight, the highest wins and pays the sum.
Pick pick_round_robin(BalancerState& state, std::span<const Candidate> all, std::uint64_t) {
  if (state.current.size() != all.size()) state.current.assign(all.size(), 0);
  Pick best;
  std::int64_t total = 0;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].healthy) continue;
    total += all[i].weight;
    state.current[i] += all[i].weight;
    if (!best || state.current[i] > state.current[*best]) best = i;
  }
  if (best) state.current[*best] -= total;
  return best;
}

Pick pick_two_choices(BalancerState& state, std::span<const Candidate> all, std::uint64_t key) {
  const Pick one = pick_random(state, all, key);
  const Pick other = pick_random(state, all, key);
  return one && is_less_loaded(all[*other], all[*one]) ? other : one;
}

constexpr Balancer table[] = {
    {"failover", "the first healthy backend in order", pick_failover},
    {"ip_hash", "by the client's address, stable while the backend is healthy", pick_ip_hash},
    {"least_connections", "the fewest active connections per weight", pick_least_connections},
    {"random", "at random, by weight", pick_random},
    {"round_robin", "each healthy backend in turn, by weight", pick_round_robin},
    {"two_choices", "the less loaded of two taken at random", pick_two_choices},
};
static_assert(std::ranges::is_sorted(table, {}, &Balancer::name));

constexpr auto infos = [] {
  std::array<AlgorithmInfo, std::size(table)> all{};
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = {table[i].name, table[i].summary};
  return all;
}();

}  // namespace

std::span<const Balancer> balancers() noexcept { return table; }

std::span<const AlgorithmInfo> balance_algorithms() noexcept { return infos; }

const Balancer* find_balancer(std::string_view name) noexcept {
  const auto* row = std::ranges::lower_bound(table, name, {}, &Balancer::name);
  return row != std::end(table) && row->name == name ? row : nullptr;
}

}  // namespace arcus
