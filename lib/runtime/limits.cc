#include "lib/runtime/limits.h"

#include <utility>

namespace arcus {

bool Gauge::take() noexcept {
  const std::int64_t bound = limit();
  if (value_.fetch_add(1, std::memory_order_relaxed) < bound || bound == 0) return true;
  give();
  return false;
}

/// An IPv4 address, or the /64 of an IPv6 one, as a number.
static std::uint64_t client_of(const IpAddress& address) noexcept {
  const IpAddress plain = address.unmapped();
  std::uint64_t value = plain.is_v4() ? 1 : 0;
  const std::size_t used = plain.is_v4() ? 4 : 8;
  for (std::size_t i = 0; i < used; ++i) value = value << 8 | plain.bytes()[i];
  return value;
}

bool ClientGauge::take(const IpAddress& client) {
  const std::lock_guard lock(mutex_);
  std::int64_t& count = counts_[client_of(client)];
  if (count >= limit()) return false;
  ++count;
  return true;
}

void ClientGauge::give(const IpAddress& client) noexcept {
  const std::lock_guard lock(mutex_);
  const auto it = counts_.find(client_of(client));
  if (it != counts_.end() && --it->second <= 0) counts_.erase(it);
}

ConnectionSlot ConnectionSlot::take(std::shared_ptr<const ServerLimits> limits, const IpAddress& client,
                                    Reason& reason) {
  ConnectionSlot slot;
  LimitGroup& tenant = *limits->tenant;
  LimitGroup& server = *limits->server;
  reason = Reason::limit_worker;
  if (!limits->worker->take()) return slot;
  reason = Reason::limit_tenant;
  if (tenant.connections.take()) {
    reason = Reason::limit_server;
    if (server.connections.take()) {
      slot.limits_ = std::move(limits);
      slot.client_ = client;
      reason = Reason::limit_client;
      if (tenant.clients.limit() > 0 && !(slot.tenant_client_ = tenant.clients.take(client)))
        return slot.release();
      if (server.clients.limit() > 0 && !(slot.server_client_ = server.clients.take(client)))
        return slot.release();
      reason = Reason::ok;
      return slot;
    }
    tenant.connections.give();
  }
  limits->worker->give();
  return slot;
}

ConnectionSlot ConnectionSlot::release() noexcept {
  give_back();
  return {};
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
