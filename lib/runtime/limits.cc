#include "lib/runtime/limits.h"

#include <utility>

namespace arcus {

bool Gauge::take() noexcept {
  const std::int64_t bound = limit();
  if (value_.fetch_add(1, std::memory_order_relaxed) < bound || bound == 0) return true;
  give();
  return false;
}

bool ClientGauge::take(std::uint64_t client) {
  const std::lock_guard lock(mutex_);
  std::int64_t& count = counts_[client];
  if (count >= limit()) return false;
  ++count;
  return true;
}

void ClientGauge::give(std::uint64_t client) noexcept {
  const std::lock_guard lock(mutex_);
  const auto it = counts_.find(client);
  if (it != counts_.end() && --it->second <= 0) counts_.erase(it);
}

void Quota::set_rates(std::int64_t requests_per_second, std::int64_t bytes_per_second) noexcept {
  const SteadyTime now = std::chrono::steady_clock::now();
  requests.set_rate(requests_per_second, now);
  bytes.set_rate(bytes_per_second, now);
}

Reason take_request(const ServerLimits& limits, Quota* user, SteadyTime now) noexcept {
  RateBucket& of_tenant = limits.tenant->requests;
  RateBucket& of_server = limits.server->requests;
  if (!of_tenant.take(now)) return Reason::rate_limited;
  if (of_server.take(now)) {
    if (user == nullptr || user->requests.take(now)) return Reason::ok;
    of_server.give_back();
  }
  of_tenant.give_back();
  return Reason::rate_limited;
}

bool UserSlot::take(const std::shared_ptr<Quota>& user) noexcept {
  if (user == user_) return true;
  give_back();
  if (user && !user->connections.take()) return false;
  user_ = user;
  return true;
}

void UserSlot::give_back() noexcept {
  if (user_) user_->connections.give();
  user_.reset();
}

ConnectionSlot ConnectionSlot::take(std::shared_ptr<const ServerLimits> limits, const IpAddress& client,
                                    Reason& reason) {
  ConnectionSlot slot = take(std::move(limits), reason);
  if (slot.holds()) reason = slot.take_client(client);
  return slot;
}

ConnectionSlot ConnectionSlot::take(std::shared_ptr<const ServerLimits> limits, Reason& reason) {
  ConnectionSlot slot;
  reason = Reason::limit_worker;
  if (!limits->worker->take()) return slot;
  reason = Reason::limit_tenant;
  if (limits->tenant->connections.take()) {
    reason = Reason::limit_server;
    if (limits->server->connections.take()) {
      slot.limits_ = std::move(limits);
      reason = Reason::ok;
      return slot;
    }
    limits->tenant->connections.give();
  }
  limits->worker->give();
  return slot;
}

Reason ConnectionSlot::take_client(const IpAddress& client) {
  client_ = source_key(client);
  ClientGauge& of_tenant = limits_->tenant->clients;
  ClientGauge& of_server = limits_->server->clients;
  if ((of_tenant.limit() == 0 || (tenant_client_ = of_tenant.take(client_))) &&
      (of_server.limit() == 0 || (server_client_ = of_server.take(client_))))
    return Reason::ok;
  give_back();
  return Reason::limit_client;
}

ConnectionSlot::ConnectionSlot(ConnectionSlot&& other) noexcept
    : limits_(std::move(other.limits_)),
      client_(other.client_),
      tenant_client_(std::exchange(other.tenant_client_, false)),
      server_client_(std::exchange(other.server_client_, false)) {}

ConnectionSlot& ConnectionSlot::operator=(ConnectionSlot&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  limits_ = std::move(other.limits_);
  client_ = other.client_;
  tenant_client_ = std::exchange(other.tenant_client_, false);
  server_client_ = std::exchange(other.server_client_, false);
  return *this;
}

void ConnectionSlot::give_back() noexcept {
  if (!limits_) return;
  if (std::exchange(server_client_, false)) limits_->server->clients.give(client_);
  if (std::exchange(tenant_client_, false)) limits_->tenant->clients.give(client_);
  limits_->server->connections.give();
  limits_->tenant->connections.give();
  limits_->worker->give();
  limits_.reset();
}

}  // namespace arcus
