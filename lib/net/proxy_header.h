#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/base/address.h"

namespace arcus {

/// The header of the PROXY protocol, by which a proxy in front tells whose connection it passes on.
struct ProxyHeader {
  std::size_t size = 0;        ///< its bytes; what follows belongs to the client
  std::uint8_t version = 1;    ///< 1 or 2
  bool has_addresses = false;  ///< false (UNKNOWN, LOCAL, a Unix socket): the connection's own hold
  Endpoint source;
  Endpoint destination;
};

enum class ProxyParse : std::uint8_t { done, need_more, bad };

/// Version 2 with everything it carries; longer is refused.
inline constexpr std::size_t max_proxy_header = 4096;

/// Reads the header at the start of `in`; nothing beyond it is looked at. Strict: what the protocol's text
/// does not allow is `bad`, and a start that cannot become a header is so at once.
ProxyParse parse_proxy_header(std::string_view in, ProxyHeader& out) noexcept;

/// The header that tells of a connection from `source` to `destination`. `version` is 1 or 2. Addresses of
/// two families are both told as IPv6.
std::string write_proxy_header(int version, const Endpoint& source, const Endpoint& destination);
/// The header of a connection that is nobody's but ours: LOCAL, in version 1 UNKNOWN.
std::string write_local_proxy_header(int version);

}  // namespace arcus
