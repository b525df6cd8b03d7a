#include "lib/runtime/refusals.h"

#include <algorithm>

namespace arcus {

/// The /24 or /64 it is in, as its first address.
static IpAddress network_of(const IpAddress& client) noexcept {
  const IpAddress address = client.unmapped();
  if (address.is_v4()) return IpAddress::v4(address.v4_value() & 0xffffff00U);
  auto bytes = address.bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return IpAddress::v6(bytes);
}

std::string RefusalTally::Sum::network_text() const {
  return network.to_string() + (network == IpAddress() ? "/0" : network.is_v4() ? "/24" : "/64");
}

void RefusalTally::add(Key key, std::uint64_t count) {
  if (counts_.size() >= max_networks && !counts_.contains(key)) std::get<IpAddress>(key) = IpAddress();
  if (counts_.size() >= max_sums && !counts_.contains(key)) return;
  counts_[std::move(key)] += count;
}

bool RefusalTally::note(const std::string& server_id, Reason reason, const IpAddress& client) {
  const bool is_first = counts_.empty();
  add({server_id, reason, network_of(client)}, 1);
  return is_first;
}

void RefusalTally::add(const std::vector<Sum>& sums) {
  for (const Sum& sum : sums) add({sum.server_id, sum.reason, sum.network}, sum.count);
}

std::vector<RefusalTally::Sum> RefusalTally::take() {
  std::vector<Sum> out;
  for (const auto& [key, count] : counts_)
    out.push_back({std::get<std::string>(key), std::get<Reason>(key), std::get<IpAddress>(key), count});
  counts_.clear();
  return out;
}

}  // namespace arcus
