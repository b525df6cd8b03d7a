#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/server_type.h"
#include "lib/policy/policy.h"
#include "lib/runtime/access.h"
#include "lib/runtime/limits.h"
#include "lib/runtime/login.h"
#include "lib/upstream/backends.h"
#include "lib/wire/config.h"

namespace arcus {

struct Protocol;
struct PreambleConfig;
class AccessLog;

/// What a protocol made of a server's options and rules, once per snapshot; shared by all threads, immutable.
class ProtocolConfig {
 public:
  virtual ~ProtocolConfig() = default;
  /// What the protocol that some clients are handed to (Handler::take_over) made of them; null = none is.
  std::shared_ptr<const ProtocolConfig> handed_over;
};

/// What the whole worker knows. Shared by all threads.
class WorkerFacts {
 public:
  WorkerFacts(std::string version, std::string instance)
      : version_(std::move(version)), instance_(std::move(instance)) {}

  const std::string& version() const noexcept { return version_; }
  /// Our token for Via.
  const std::string& instance() const noexcept { return instance_; }
  /// True for an address of this host with a port of ours: never to be dialled for a client.
  bool is_own(const Endpoint& address) const;

  /// True for loopback and for an address of this host.
  bool is_local(const IpAddress& address) const;

  void set_local_addresses(std::vector<IpAddress> addresses);
  /// Of all workers, as the daemon tells them; those of add_port() are known earlier.
  void set_ports(std::vector<std::uint16_t> ports);
  void add_port(std::uint16_t port);
  void remove_port(std::uint16_t port);

 private:
  std::string version_;
  std::string instance_;
  mutable std::shared_mutex mutex_;
  std::vector<IpAddress> local_addresses_;
  std::vector<std::uint16_t> ports_;      ///< of this worker, one entry per server
  std::vector<std::uint16_t> all_ports_;  ///< of all workers, in order
};

/// Rules in the form that a Policy is made of.
std::vector<policy::RuleText> rule_texts(const std::vector<wire::RuleConfig>& rules);

/// One server as its threads see it: immutable, shared, replaced whole by a reload.
struct ServerConfig {
  wire::ServerConfig wire;
  std::shared_ptr<const wire::TenantConfig> tenant;  ///< never null
  std::shared_ptr<const WorkerFacts> facts;          ///< never null
  const Protocol* protocol = nullptr;
  Options options{{}, {}};
  std::uint64_t number = 0;  ///< names the server in this worker; the same over reloads, never reused

  std::shared_ptr<const BackendSet> backends;  ///< never null; those with role origin
  std::shared_ptr<const BackendSet> parents;   ///< never null; the parent proxies
  int proxy_out = 0;                           ///< version of the PROXY header told to upstreams; 0 = none
  std::shared_ptr<const PreambleConfig> preamble;         ///< null = the protocol begins at once
  std::shared_ptr<const ProtocolConfig> protocol_config;  ///< what Protocol::make_config returned
  std::shared_ptr<const policy::Policy> policy;           ///< never null: server rules, then tenant rules
  std::shared_ptr<const UserTable> users;                 ///< null = anybody is served
  bool users_by_certificate = false;                      ///< who they are, TLS has found out
  std::shared_ptr<const ServerLimits> limits;             ///< never null
  std::shared_ptr<AccessLog> access_log;                  ///< null = records off
  AccessFormat access_format = AccessFormat::squid;

  std::chrono::milliseconds connection_timeout() const noexcept { return ms(wire.connection_timeout_ms); }
  std::chrono::milliseconds handshake_timeout() const noexcept { return ms(wire.handshake_timeout_ms); }
  std::chrono::milliseconds header_timeout() const noexcept { return ms(wire.header_timeout_ms); }
  std::chrono::milliseconds keepalive_timeout() const noexcept { return ms(wire.keepalive_timeout_ms); }
  std::chrono::milliseconds response_timeout() const noexcept { return ms(wire.response_timeout_ms); }
  std::chrono::milliseconds body_timeout() const noexcept { return ms(wire.body_timeout_ms); }
  std::chrono::milliseconds idle_timeout() const noexcept { return ms(wire.idle_timeout_ms); }

 private:
  static std::chrono::milliseconds ms(std::int64_t value) noexcept {
    return std::chrono::milliseconds(value);
  }
};

}  // namespace arcus
