#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"
#include "lib/net/context.h"
#include "lib/net/rate_bucket.h"
#include "lib/net/throttle.h"

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

/// What the connections of one user over all servers share, and more of those of a tenant or a server.
struct Quota {
  Gauge connections;
  /// A second's worth may come at once.
  RateBucket requests{std::chrono::seconds{1}, 1};
  /// Clients' bytes, both ways together. Even of the smallest rate a datagram passes.
  RateBucket bytes{std::chrono::milliseconds{100}, 2048};

  void set_rates(std::int64_t requests_per_second, std::int64_t bytes_per_second) noexcept;
};

/// What the connections of one tenant or one server share.
struct LimitGroup : Quota {
  ClientGauge clients;
  Gauge associations;  ///< UDP, of socks servers
};

/// The limits a connection of one server passes, in this order: worker > tenant > server > client.
struct ServerLimits {
  std::shared_ptr<Gauge> worker;
  std::shared_ptr<LimitGroup> tenant;
  std::shared_ptr<LimitGroup> server;
};

/// Takes one request of each: ok, or rate_limited, and then of none. `user` may be nullptr.
Reason take_request(const ServerLimits& limits, Quota* user, SteadyTime now) noexcept;

/// A user's unit of their connections; empty = nobody's.
class UserSlot {
 public:
  UserSlot() = default;
  UserSlot(UserSlot&& other) noexcept = default;
  UserSlot& operator=(UserSlot&& other) = delete;
  ~UserSlot() { give_back(); }

  /// Holds one of `user` (nullptr = nobody) and no other then. False at the limit: it holds none.
  bool take(const std::shared_ptr<Quota>& user) noexcept;
  void give_back() noexcept;
  const std::shared_ptr<Quota>& user() const noexcept { return user_; }

 private:
  std::shared_ptr<Quota> user_;
};

/// How a connection's bytes are bounded; keeps what its throttles refer to.
struct BandwidthShare {
  BandwidthShare(NetContext& context, std::shared_ptr<const ServerLimits> its_limits,
                 std::shared_ptr<Quota> its_user) noexcept
      : limits(std::move(its_limits)),
        user(std::move(its_user)),
        throttles(context, {&limits->tenant->bytes, &limits->server->bytes, user ? &user->bytes : nullptr}) {}

  std::shared_ptr<const ServerLimits> limits;
  std::shared_ptr<Quota> user;
  ThrottlePair throttles;
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
