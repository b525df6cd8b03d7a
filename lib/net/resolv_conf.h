#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/address.h"

namespace arcus {

/// What a resolv.conf says, as far as we follow it.
struct ResolvConf {
  std::vector<std::string> servers;  ///< "1.2.3.4", "[::1]:5353"; 127.0.0.1 when the text names none
  std::vector<std::string> search;
  int ndots = 1;
  int timeout_ms = 2'000;
  int attempts = 2;
};

/// Reads the text of resolv.conf(5); ignores what it does not know. A server may carry a port as
/// "address#port".
ResolvConf parse_resolv_conf(std::string_view text);

/// Lower-case names to addresses, in the order of the file.
using HostsTable = std::map<std::string, std::vector<IpAddress>, std::less<>>;

/// Reads the text of hosts(5).
HostsTable parse_hosts(std::string_view text);

}  // namespace arcus
