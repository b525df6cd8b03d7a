#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "lib/base/address.h"

namespace arcus::policy {

enum class RouteKind : std::uint8_t {
  backends,     ///< the server's own, by its balancer
  endpoint,     ///< one HOST:PORT
  passthrough,  ///< the name itself
  reject,
};

/// Where connections for a name go.
struct Route {
  RouteKind kind = RouteKind::reject;
  std::string host;                  ///< of `endpoint`, without brackets
  std::uint16_t port = 0;            ///< of `endpoint`
  std::optional<IpAddress> literal;  ///< when that host is an address
};

/// Patterns of server names and their targets; immutable once filled. An exact name wins over `*.suffix`, the
/// longest of these over shorter ones, and `*` takes the rest. `*.example.org` does not stand for example.org
/// itself. The cost of a look-up does not grow with the number of routes.
class Routes {
 public:
  /// `target`: backends, HOST:PORT, passthrough, reject. Throws Error (failed) with a sentence when either
  /// cannot be read, or the pattern is there already.
  void add(std::string_view pattern, std::string_view target);

  bool empty() const noexcept { return size() == 0; }
  std::size_t size() const noexcept { return exact_.size() + suffixes_.size() + (rest_ ? 1 : 0); }

  /// The route for `name` (any case, a trailing dot is ignored; empty = a client that named nothing), or
  /// nullptr.
  const Route* find(std::string_view name) const noexcept;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using Table = std::unordered_map<std::string, Route, Hash, std::equal_to<>>;

  const Route* find_suffix(std::string_view name) const noexcept;

  Table exact_;
  Table suffixes_;               ///< "example.org" for *.example.org
  std::size_t most_labels_ = 0;  ///< of a suffix
  std::optional<Route> rest_;
};

}  // namespace arcus::policy
