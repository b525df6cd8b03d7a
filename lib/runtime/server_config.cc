#include "lib/runtime/server_config.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/runtime/protocol.h"

namespace arcus {

bool WorkerFacts::is_own(const Endpoint& address) const {
  const std::shared_lock lock(mutex_);
  if (std::ranges::find(ports_, address.port) == ports_.end()) return false;
  const IpAddress plain = address.address.unmapped();
  return plain.is_loopback() || plain.is_any() ||
         std::ranges::find(local_addresses_, plain) != local_addresses_.end();
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
