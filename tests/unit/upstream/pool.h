#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lib/upstream/backends.h"

namespace arcus::test {

/// What a chi-square test looks at; ThreadSanitizer takes its time with each.
#if defined(__SANITIZE_THREAD__)
inline constexpr int many_picks = 10'000;
#else
inline constexpr int many_picks = 100'000;
#endif

/// One spec for each weight, with an id and an address of its own.
std::vector<BackendSpec> specs_of(const std::vector<std::int64_t>& weights);

/// A set and one thread's chooser. The time stands still unless a test moves it.
struct Pool {
  Pool(std::string_view algorithm, std::vector<BackendSpec> specs, std::uint64_t seed = 1);
  Pool(std::string_view algorithm, const std::vector<std::int64_t>& weights, std::uint64_t seed = 1)
      : Pool(algorithm, specs_of(weights), seed) {}

  /// The index, or nothing.
  std::optional<std::size_t> pick(std::uint64_t key = 0);
  BackendHealth& health(std::size_t index) const { return *set.all()[index].health; }
  /// Down, then up again since `ago`; a slow start is 10 s.
  void came_up(std::size_t index, std::chrono::milliseconds ago);
  /// How often each is picked.
  std::vector<std::int64_t> count(int picks, bool hold = false);

  BackendSet set;
  BackendChooser chooser;
  std::vector<std::size_t> tried;
  SteadyTime now{std::chrono::hours{1}};
  Reason reason = Reason::ok;
};

/// The key of the n-th of many clients.
std::uint64_t nth_client(std::uint32_t n);
/// Pearson's sum of (seen - expected)^2 / expected for shares by weight.
double chi_square(const std::vector<std::int64_t>& seen, const std::vector<std::int64_t>& weights);
/// What it exceeds one time in 1,000 by chance (Wilson and Hilferty's approximation, good to 1 %).
double chi_square_limit(std::size_t degrees);

}  // namespace arcus::test
