// What it costs to choose a backend among 2, 100 and 1,000: `meson test --benchmark -C build balance -v`, or
// this program.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "lib/upstream/backends.h"

using namespace arcus;
using namespace std::chrono_literals;

namespace {

constexpr std::array<std::size_t, 3> sizes{2, 100, 1'000};
constexpr int rounds = 9;
constexpr int picks = 20'000;

/// What a pool looks like while it is asked.
struct Situation {
  const char* name;
  std::size_t down;  ///< of 1,000, spread over the set
};

constexpr Situation situations[] = {
    {"all up", 0}, {"half down", 500}, {"nine of ten down", 900}, {"one up", 999}, {"none up", 1'000}};

BackendSet set_of(std::string_view algorithm, std::size_t count) {
  std::vector<BackendSpec> specs(count);
  for (std::size_t i = 0; i < count; ++i) {
    specs[i].id = std::to_string(i);
    specs[i].host = "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256);
    specs[i].weight = static_cast<std::int64_t>(1 + i % 10);
  }
  return {std::move(specs), algorithm};
}

/// Nanoseconds a pick, the median of the rounds. Four connections for each backend are held, the oldest ends
/// with each new one, and the clock moves 5 us a pick.
double cost_of(const BackendSet& set) {
  std::vector<BackendHealth*> held(set.all().size() * 4, nullptr);
  BackendChooser chooser(1);
  SteadyTime now{1h};
  Reason reason = Reason::ok;
  std::uint64_t client = 0;
  const auto one = [&] {
    now += 5us;
    const Backend* const chosen =
        chooser.pick(set, {}, client_key(IpAddress::v4(static_cast<std::uint32_t>(client))), now, reason);
    if (chosen == nullptr) return;
    BackendHealth*& place = held[client++ % held.size()];
    if (place) place->active.fetch_sub(1, std::memory_order_relaxed);
    place = chosen->health.get();
    place->active.fetch_add(1, std::memory_order_relaxed);
  };
  std::vector<double> all;
  for (int round = 0; round < rounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < picks; ++i) one();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    all.push_back(took.count() / picks);
  }
  for (BackendHealth* const health : held)
    if (health) health->active.fetch_sub(1, std::memory_order_relaxed);
  std::ranges::sort(all);
  return all[all.size() / 2];
}

}  // namespace

int main() {
  std::puts("| algorithm | backends |  | ns a pick |\n| --- | --- | --- | --- |");
  for (const Balancer& balancer : balancers())
    for (const std::size_t size : sizes) {
      const BackendSet set = set_of(balancer.name, size);
      for (const Situation& one : situations) {
        if (size < 10 && one.down > 0) continue;
        for (std::size_t i = 0; i < size; ++i)
          if (i * 617 % size < size * one.down / 1'000) set.all()[i].health->set_down(SteadyTime{2h});
        std::printf("| %s | %zu | %s | %.0f |\n", std::string(balancer.name).c_str(), size, one.name,
                    cost_of(set));
      }
    }
}
