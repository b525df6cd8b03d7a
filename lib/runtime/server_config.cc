#include "lib/runtime/server_config.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/policy/guard.h"
#include "lib/runtime/protocol.h"

namespace arcus {

bool WorkerFacts::is_own(const Endpoint& address) const {
  const std::shared_lock lock(mutex_);
  return policy::is_own(address, {local_addresses_, ports_}) ||
         (std::ranges::binary_search(all_ports_, address.port) &&
          policy::is_own(address, {local_addresses_, {&address.port, 1}}));
}

bool WorkerFacts::is_local(const IpAddress& address) const {
  if (address.is_loopback()) return true;
  const std::shared_lock lock(mutex_);
  return std::ranges::find(local_addresses_, address) != local_addresses_.end();
}

void WorkerFacts::set_ports(std::vector<std::uint16_t> ports) {
  std::ranges::sort(ports);
  const std::unique_lock lock(mutex_);
  all_ports_ = std::move(ports);
}

void WorkerFacts::set_local_addresses(std::vector<IpAddress> addresses) {
  const std::unique_lock lock(mutex_);
  local_addresses_ = std::move(addresses);
}

void WorkerFacts::add_port(std::uint16_t port) {
  const std::unique_lock lock(mutex_);
  ports_.push_back(port);
}

void WorkerFacts::remove_port(std::uint16_t port) {
  const std::unique_lock lock(mutex_);
  if (const auto it = std::ranges::find(ports_, port); it != ports_.end()) ports_.erase(it);
}

}  // namespace arcus
