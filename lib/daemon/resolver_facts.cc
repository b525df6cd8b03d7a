#include "lib/daemon/resolver_facts.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>

#include "lib/base/address.h"

namespace arcus::daemon {

static std::string read_text(const std::string& path) {
  constexpr std::size_t most = 1 << 20;
  std::ifstream in{path, std::ios::binary};
  std::string out(most, '\0');
  in.read(out.data(), static_cast<std::streamsize>(most));
  out.resize(static_cast<std::size_t>(std::max<std::streamsize>(in.gcount(), 0)));
  return out;
}

static std::vector<std::string> interface_addresses() {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return {};
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner{first, &::freeifaddrs};
  std::vector<std::string> out;
  for (const ifaddrs* at = first; at; at = at->ifa_next) {
    const int family = at->ifa_addr ? at->ifa_addr->sa_family : AF_UNSPEC;
    if (family != AF_INET && family != AF_INET6) continue;
    sockaddr_storage storage{};
    std::memcpy(&storage, at->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    out.push_back(Endpoint::from(storage).address.to_string());
  }
  std::ranges::sort(out);
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

wire::ResolverConfig read_resolver_facts(const std::string& resolv_conf, const std::string& hosts) {
  return {.resolv_conf = read_text(resolv_conf),
          .hosts = read_text(hosts),
          .local_addresses = interface_addresses()};
}

}  // namespace arcus::daemon
