#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "lib/base/address.h"

namespace arcus::policy {

/// A block of addresses that clients may not reach unless a rule opens it.
struct SpecialRange {
  std::string_view cidr;     ///< as a rule would name it
  std::string_view summary;  ///< lower case
  bool never = false;        ///< no rule can open it
};

/// The range that `address` lies in, or nullptr when it is global unicast. Addresses that embed an IPv4
/// address (mapped, NAT64, 6to4) are judged by that one.
const SpecialRange* find_special(const IpAddress& address) noexcept;

/// All ranges, for help and tests.
std::span<const SpecialRange> special_ranges() noexcept;

/// The addresses of this host and the ports we listen on: dialling the one with the other would be ourselves.
struct OwnEndpoints {
  std::span<const IpAddress> addresses;
  std::span<const std::uint16_t> ports;
};

/// True when a connection there would come back to us; no rule can open that.
bool is_own(const Endpoint& endpoint, const OwnEndpoints& own) noexcept;

/// True when plain HTTP must not go to `port`: below 80, or a bad port of the Fetch standard (other protocols
/// live there that HTTP text can be made to speak).
bool is_bad_http_port(std::uint16_t port) noexcept;

}  // namespace arcus::policy
