#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"
#include "lib/net/stream.h"
#include "lib/runtime/access.h"
#include "lib/runtime/limits.h"
#include "lib/runtime/server_config.h"
#include "lib/wire/counters.h"

namespace arcus {

class DataThread;
class ServerOnThread;

/// An accepted client: its socket, addresses, its unit of the limits, and the snapshot it began with.
/// Destroying it closes the socket, gives the slot back and counts the end.
class ClientConnection {
 public:
  ClientConnection(ServerOnThread& server, Stream stream, const Endpoint& peer, ConnectionSlot slot);
  ClientConnection(ClientConnection&& other) noexcept;
  ClientConnection& operator=(ClientConnection&&) = delete;
  ~ClientConnection();

  Stream& stream() noexcept { return stream_; }
  ServerOnThread& server() const noexcept { return *server_; }
  DataThread& thread() const noexcept;
  /// Whether records say all there is to know (format json): worth looking closer.
  bool wants_details() const noexcept;
  /// The snapshot of the accept; ServerOnThread::config() is the newest.
  const ServerConfig& config() const noexcept { return *config_; }
  const std::shared_ptr<const ServerConfig>& shared_config() const noexcept { return config_; }
  /// Takes the newest snapshot instead (http, per request).
  void renew_config();

  const Endpoint& peer() const noexcept { return peer_; }
  /// Whom the client's certificate names, as far as `config` trusts it; empty = nobody.
  std::string certified_user(const ServerConfig& config) const;
  /// ok, or why that is nobody whom `config` lets in.
  static Reason judge_certified(const ServerConfig& config, std::string_view user) noexcept;
  /// Where the client connected to: asks the kernel, unless a PROXY header told.
  Endpoint local() const noexcept;
  // What a PROXY header says; then the limits by client can be asked: ok or limit_client.
  void set_peer(const Endpoint& peer) noexcept { peer_ = peer; }
  void set_local(const Endpoint& local) { told_local_ = std::make_unique<Endpoint>(local); }
  Reason take_client_slot() { return slot_.take_client(peer_.address); }
  std::uint64_t id() const noexcept { return id_; }
  SteadyTime accepted_at() const noexcept { return accepted_at_; }

  /// Takes one of its requests per second, for `user` (empty = nobody), and unless it has it a unit of that
  /// user's connections, which it keeps until it closes or somebody else asks through it. ok, limit_user or
  /// rate_limited.
  Reason admit_request(std::string_view user);
  /// What bounds its bytes; nullptr = nothing. Valid until renew_throttles(), which sees to it that the
  /// limits of now hold: then whoever moves bytes must be told.
  ThrottlePair* throttles() const noexcept { return bandwidth_ ? &bandwidth_->throttles : nullptr; }
  void renew_throttles();
  /// Takes so many bytes of all limits of bandwidth when they are there: may a datagram pass?
  bool take_bytes(std::size_t bytes) noexcept;

  /// Counts client-side plaintext bytes as they pass; record() does not count them again.
  void count_in(std::size_t bytes) noexcept;
  void count_out(std::size_t bytes) noexcept;
  /// Counts a request before its answer is sent, or a connection when its relay begins, also for its user and
  /// for the rule (its tally) that let it in; its record then says `counted`.
  void count_request(std::string_view user, std::uint32_t rule) noexcept;
  /// Writes the access record and moves the counters of its kind and reason. Exactly one per request (http)
  /// or connection (others).
  void record(const AccessRecord& record) noexcept;

  /// FIN, discard a little, close; the slot stays taken until then. `rest` is written first.
  void close_politely(std::string rest = {}) &&;
  /// RST.
  void reset() noexcept { stream_.reset(); }

 private:
  Stream stream_;
  ServerOnThread* server_;  ///< null = moved from
  std::shared_ptr<const ServerConfig> config_;
  ConnectionSlot slot_;
  UserSlot user_slot_;
  std::unique_ptr<BandwidthShare> bandwidth_;  ///< null = unlimited
  Endpoint peer_;
  std::uint32_t round_trip_us_ = 0;  ///< kept for the record, when the socket is closed before it
  std::unique_ptr<const Endpoint> told_local_;
  SteadyTime accepted_at_;
  std::uint64_t id_;
};

/// One client's life in a protocol. The server keeps it; end() is its last word.
class Session : public Retired {
 public:
  explicit Session(ClientConnection connection) : connection_(std::move(connection)) {}
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() override;

  /// After adopt(): the session may run from here on.
  virtual void start() = 0;
  /// The server stops accepting and wants connections to end: finish what is under way, close what is idle.
  virtual void on_drain() {}
  /// The snapshot was replaced; rules may have tightened.
  virtual void on_config() {}
  /// End now: record with `reason` (killed, draining, tenant_disabled), close, end().
  virtual void on_kill(Reason reason) = 0;

  ClientConnection& connection() noexcept { return connection_; }
  const ClientConnection& connection() const noexcept { return connection_; }

 protected:
  /// Leaves the server's list; the object is freed after the current batch of events. Call once, last.
  void end();

  ClientConnection connection_;

 private:
  friend class ServerOnThread;
  Session* previous_ = nullptr;
  Session* next_ = nullptr;
  std::uint64_t epoch_ = 0;
};

}  // namespace arcus
