#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "lib/base/address.h"
#include "lib/base/reason.h"

namespace arcus {

/// A shared count with a bound; 0 = unbounded. The bound may change under way.
class Gauge {
 public:
  bool take() noexcept;
  void give() noexcept { value_.fetch_sub(1, std::memory_order_relaxed); }
  std::int64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }
  std::int64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  void set_limit(std::int64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }

 private:
  alignas(64) std::atomic<std::int64_t> value_{0};
  std::atomic<std::int64_t> limit_{0};
};

/// Connections by client, as source_key() has it. Used only where such a limit is set.
class ClientGauge {
 public:
  bool take(std::uint64_t client);
  void give(std::uint64_t client) noexcept;
  std::int64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
  void set_limit(std::int64_t limit) noexcept { limit_.store(limit, std::memory_order_relaxed); }

 private:
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::int64_t> counts_;
  std::atomic<std::int64_t> limit_{0};
};

/// What the connections of one tenant or one server share.
struct LimitGroup {
  Gauge connections;
  ClientGauge clients;
  Gauge associations;  ///< UDP, of socks servers
};

/// The limits a connection of one server passes, in this order: worker > tenant > server > client.
struct ServerLimits {
  std::shared_ptr<Gauge> worker;
  std::shared_ptr<LimitGroup> tenant;
  std::shared_ptr<LimitGroup> server;
};

/// One connection's units of all its limits, from accept to close.
class ConnectionSlot {
 public:
  ConnectionSlot() = default;
  /// `reason` is ok and the slot holds, or limit_worker, limit_tenant, limit_server, limit_client.
  static ConnectionSlot take(std::shared_ptr<const ServerLimits> limits, const IpAddress& client,
                             Reason& reason);
  /// The same but for the limits by client: take_client() must follow once it is known.
  static ConnectionSlot take(std::shared_ptr<const ServerLimits> limits, Reason& reason);
  /// ok, or limit_client: the slot is then empty.
  Reason take_client(const IpAddress& client);
  ConnectionSlot(ConnectionSlot&& other) noexcept;
  ConnectionSlot& operator=(ConnectionSlot&& other) noexcept;
  ~ConnectionSlot() { give_back(); }

  bool holds() const noexcept { return limits_ != nullptr; }
  void give_back() noexcept;

 private:
  std::shared_ptr<const ServerLimits> limits_;
  std::uint64_t client_ = 0;
  bool tenant_client_ = false;
  bool server_client_ = false;
};

}  // namespace arcus
