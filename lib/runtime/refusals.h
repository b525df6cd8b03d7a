#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/reason.h"

namespace arcus {

/// What one data thread has refused for the sake of security (ReasonInfo::is_security) since it was asked
/// last: one sum per server, reason and network of the client. However many attack, and from wherever, it
/// stays small.
class RefusalTally {
 public:
  static constexpr std::size_t max_networks = 32;  ///< then the clients of all others count as one network
  static constexpr std::size_t max_sums = 96;      ///< then nothing new is taken: counters tell the rest

  struct Sum {
    std::string server_id;
    Reason reason{};
    IpAddress network;  ///< the first of its addresses; 0.0.0.0 for all others together
    std::uint64_t count = 0;

    /// 192.0.2.0/24, 2001:db8::/64, 0.0.0.0/0.
    std::string network_text() const;
  };

  /// True when it is the first since take().
  bool note(const std::string& server_id, Reason reason, const IpAddress& client);
  /// Those of another tally on top.
  void add(const std::vector<Sum>& sums);
  std::vector<Sum> take();

 private:
  using Key = std::tuple<std::string, Reason, IpAddress>;
  void add(Key key, std::uint64_t count);

  std::map<Key, std::uint64_t> counts_;
};

}  // namespace arcus
