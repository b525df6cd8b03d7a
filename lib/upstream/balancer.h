#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "lib/base/server_type.h"

namespace arcus {

/// What choosing may look at.
struct Candidate {
  bool healthy = true;
  std::int64_t weight = 1;
  std::int64_t active_connections = 0;
};

/// What an algorithm remembers between picks; one per thread and server.
struct BalancerState {
  std::vector<std::int64_t> current;  ///< smooth weighted: the running scores
  std::uint64_t random = 0x9e3779b97f4a7c15;
};

/// One algorithm: a function and its row.
struct Balancer {
  std::string_view name;
  std::string_view summary;
  /// The index of a healthy candidate; nothing when there is none. `key` is a hash of the client's address.
  std::optional<std::size_t> (*pick)(BalancerState& state, std::span<const Candidate> all, std::uint64_t key);
};

/// The table, sorted by name.
std::span<const Balancer> balancers() noexcept;
/// The same as the registry wants it.
std::span<const AlgorithmInfo> balance_algorithms() noexcept;
const Balancer* find_balancer(std::string_view name) noexcept;

}  // namespace arcus
