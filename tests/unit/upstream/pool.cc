#include "tests/unit/upstream/pool.h"

#include <cmath>
#include <numeric>

namespace arcus::test {

std::vector<BackendSpec> specs_of(const std::vector<std::int64_t>& weights) {
  std::vector<BackendSpec> all;
  for (const std::int64_t weight : weights) {
    BackendSpec one;
    one.id = "backend-" + std::to_string(all.size());
    one.host = "10.0." + std::to_string(all.size() / 256) + "." + std::to_string(all.size() % 256);
    one.port = 80;
    one.weight = weight;
    all.push_back(std::move(one));
  }
  return all;
}

Pool::Pool(std::string_view algorithm, std::vector<BackendSpec> specs, std::uint64_t seed)
    : set(std::move(specs), algorithm), chooser(seed) {}

std::optional<std::size_t> Pool::pick(std::uint64_t key) {
  const Backend* const backend = chooser.pick(set, tried, key, now, reason);
  if (backend == nullptr) return std::nullopt;
  return chooser.last_index();
}

void Pool::came_up(std::size_t index, std::chrono::milliseconds ago) {
  health(index).set_terms({.slow_start = std::chrono::seconds{10}});
  health(index).set_down(now - ago);
  health(index).note_success(now - ago);
}

std::vector<std::int64_t> Pool::count(int picks, bool hold) {
  std::vector<std::int64_t> seen(set.all().size());
  for (int n = 0; n < picks; ++n) {
    const auto index = pick(nth_client(static_cast<std::uint32_t>(n)));
    if (!index) continue;
    ++seen[*index];
    if (hold) ++health(*index).active;
  }
  return seen;
}

std::uint64_t nth_client(std::uint32_t n) { return client_key(IpAddress::v4(0x0a000000 + n)); }

double chi_square(const std::vector<std::int64_t>& seen, const std::vector<std::int64_t>& weights) {
  const auto picks = static_cast<double>(std::accumulate(seen.begin(), seen.end(), std::int64_t{0}));
  const auto total = static_cast<double>(std::accumulate(weights.begin(), weights.end(), std::int64_t{0}));
  double sum = 0;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const double expected = picks * static_cast<double>(weights[i]) / total;
    const double off = static_cast<double>(seen[i]) - expected;
    sum += off * off / expected;
  }
  return sum;
}

double chi_square_limit(std::size_t degrees) {
  constexpr double quantile = 3.0902;  // of the normal distribution, 0.999
  const auto k = static_cast<double>(degrees);
  return k * std::pow(1 - 2 / (9 * k) + quantile * std::sqrt(2 / (9 * k)), 3);
}

}  // namespace arcus::test
