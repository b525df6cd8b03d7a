#include "lib/upstream/turns.h"

#include <algorithm>
#include <utility>

namespace arcus {

/// Whole numbers, so that a cycle is exact: (2a + 1) / 2r against (2b + 1) / 2s.
bool Turns::is_sooner(const Turn& a, const Turn& b) noexcept {
  const std::uint64_t one = (2 * a.taken + 1) * b.rate;
  const std::uint64_t other = (2 * b.taken + 1) * a.rate;
  return one != other ? one < other : a.weight_class < b.weight_class;
}

void Turns::begin(const Roster& roster, Random& random) {
  std::uint64_t cycle = 0;
  for (const WeightClass& one : roster.classes) cycle += one.rate();
  const std::uint64_t start = random.below(cycle);
  left_ = cycle;
  heap_.clear();
  for (std::uint32_t i = 0; i < roster.classes.size(); ++i) {
    const std::uint64_t rate = roster.classes[i].rate();
    // How many of its deadlines lie before `start`.
    const std::uint64_t taken = (2 * start * rate + cycle - 1) / (2 * cycle);
    left_ -= taken;
    const auto next = static_cast<std::uint32_t>(random.below(roster.classes[i].count));
    heap_.push_back({.taken = taken, .rate = rate, .next = next, .weight_class = i});
  }
  std::ranges::make_heap(heap_, [](const Turn& a, const Turn& b) { return is_sooner(b, a); });
}

std::uint32_t Turns::take(const Roster& roster) noexcept {
  Turn& turn = heap_.front();
  const WeightClass& chosen = roster.classes[turn.weight_class];
  const std::uint32_t position = roster.by_weight[chosen.first + turn.next];
  if (++turn.next == chosen.count) turn.next = 0;
  ++turn.taken;
  if (--left_ == 0) {
    for (Turn& one : heap_) {
      one.taken = 0;
      left_ += one.rate;
    }
    std::ranges::make_heap(heap_, [](const Turn& a, const Turn& b) { return is_sooner(b, a); });
  } else {
    sink();
  }
  return position;
}

/// The first has a later deadline now.
void Turns::sink() noexcept {
  std::size_t at = 0;
  for (std::size_t child = 1; child < heap_.size(); child = 2 * at + 1) {
    if (child + 1 < heap_.size() && is_sooner(heap_[child + 1], heap_[child])) ++child;
    if (!is_sooner(heap_[child], heap_[at])) return;
    std::swap(heap_[at], heap_[child]);
    at = child;
  }
}

}  // namespace arcus
