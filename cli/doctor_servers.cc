#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "cli/doctor_checks.h"
#include "lib/base/address.h"
#include "lib/base/server_type.h"
#include "lib/base/units.h"
#include "lib/daemon/port_holder.h"

namespace arcus::cli::doctor {

namespace {

constexpr int cap_net_bind_service = 10;

/// Equal, or one of them is a wildcard; "::" takes IPv4 as well.
bool overlap(const registry::Server& a, const registry::Server& b) {
  if (a.listen_port == 0 || a.listen_port != b.listen_port) return false;
  const auto first = IpAddress::parse(a.listen_addr);
  const auto second = IpAddress::parse(b.listen_addr);
  if (!first || !second) return a.listen_addr == b.listen_addr;
  if (first->unmapped() == second->unmapped()) return true;
  return (first->is_any() || second->is_any()) &&
         (first->is_v4() == second->is_v4() || (first->is_any() && !first->is_v4()) ||
          (second->is_any() && !second->is_v4()));
}

bool may_bind_low_ports() {
  if (::geteuid() == 0) return true;
  std::ifstream file{"/proc/self/status"};
  std::string key;
  std::string value;
  while (file >> key >> value) {
    if (key != "CapEff:") continue;
    std::uint64_t capabilities = 0;
    std::from_chars(value.data(), value.data() + value.size(), capabilities, 16);
    return (capabilities >> cap_net_bind_service & 1) != 0;
  }
  return false;
}

std::int64_t first_free_for_all() {
  std::ifstream file{"/proc/sys/net/ipv4/ip_unprivileged_port_start"};
  std::int64_t first = 1024;
  file >> first;
  return first;
}

}  // namespace

std::string listen_of(const registry::Server& server) {
  const std::string port = std::to_string(server.listen_port);
  const bool v6 = server.listen_addr.find(':') != std::string::npos;
  return v6 ? "[" + server.listen_addr + "]:" + port : server.listen_addr + ":" + port;
}

Findings look_for_overlaps(const Patient& patient) {
  Findings found;
  const auto& all = patient.servers;
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = i + 1; j < all.size(); ++j)
      if (overlap(all[i], all[j]))
        found.push_back(
            {State::error,
             all[i].reference() + " and " + all[j].reference() + " both listen on " + listen_of(all[i]),
             "arcusctl server set " + all[j].reference() + " listen_port=0"});
  if (found.empty()) found.push_back({State::ok, "no two servers listen on one port"});
  return found;
}

Findings look_for_port_holders(const Patient& patient) {
  Findings found;
  for (const registry::Server& server : patient.servers) {
    if (server.desired_state != "running" || server.listen_port == 0) continue;
    // What our own daemon listens on is not taken.
    if (patient.holder && registry::server_state(*patient.db, server.id).status != "error") continue;
    const auto holder =
        daemon::find_port_holder(server.listen_addr, static_cast<std::uint16_t>(server.listen_port));
    if (holder)
      found.push_back(
          {State::error,
           server.reference() + ": " + listen_of(server) + " is in use by " + daemon::describe(*holder),
           "arcusctl server set " + server.reference() + " listen_port=PORT"});
  }
  if (found.empty()) found.push_back({State::ok, "no other program is on a server's port"});
  return found;
}

Findings look_at_privileged_ports(const Patient& patient) {
  const std::int64_t first = first_free_for_all();
  Findings found;
  if (may_bind_low_ports()) return {{State::ok, "this user may listen on every port"}};
  for (const registry::Server& server : patient.servers)
    if (server.listen_port != 0 && server.listen_port < first)
      found.push_back({State::warn,
                       server.reference() + ": only root and CAP_NET_BIND_SERVICE may listen on port " +
                           std::to_string(server.listen_port),
                       "arcusctl daemon unit"});
  if (found.empty()) found.push_back({State::ok, "no port below " + std::to_string(first)});
  return found;
}

}  // namespace arcus::cli::doctor
