#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/unique_fd.h"
#include "lib/runtime/access_log.h"
#include "lib/runtime/limits.h"
#include "lib/runtime/listener.h"
#include "lib/runtime/server_config.h"
#include "lib/runtime/tallies.h"
#include "lib/wire/config.h"
#include "lib/wire/counters.h"

namespace arcus {

/// What the main thread keeps of one server.
struct ServerEntry {
  std::shared_ptr<const ServerConfig> config;
  std::shared_ptr<ListeningSocket> listening;  ///< null = stopped
  std::uint16_t port = 0;                      ///< while listening
};

/// The tenants and servers of a worker, on its main thread: turns what the daemon sends into snapshots.
class ServerTable {
 public:
  ServerTable(std::span<const Protocol* const> protocols, std::size_t threads,
              std::shared_ptr<WorkerFacts> facts, Tallies& tallies, std::function<void()> log_wake);

  Gauge& worker_gauge() noexcept { return *worker_; }
  WorkerFacts& facts() noexcept { return *facts_; }

  /// Maps a counter file. Throws Error when it does not fit our threads.
  void add_segment(std::int64_t segment, UniqueFd file);
  /// The slot of `thread` for a server whose snapshot was built.
  wire::CounterSlot& slot(const ServerConfig& config, std::size_t thread) const;

  void put_tenant(const wire::TenantConfig& tenant);
  void set_access_log(const std::string& tenant_id, UniqueFd file);
  /// Builds the server's new snapshot and makes it the newest. Throws Error: the old one stays.
  ServerEntry& put_server(const wire::ServerConfig& server);
  /// nullptr when there is none of that id.
  ServerEntry* find(std::string_view server_id) noexcept;
  void erase(std::string_view server_id);
  std::map<std::string, ServerEntry, std::less<>>& all() noexcept { return servers_; }
  /// Writes what is queued for all access logs; returns the bytes lost.
  std::size_t flush_logs();

 private:
  struct Segment {
    UniqueFd file;
    wire::CounterMap map;  ///< unlocks the file: goes first
  };
  struct Tenant {
    std::shared_ptr<const wire::TenantConfig> config;
    std::shared_ptr<LimitGroup> limits = std::make_shared<LimitGroup>();
    std::shared_ptr<AccessLog> log;
    std::shared_ptr<const UserTable> users;
  };

  Tenant& tenant(const std::string& id);
  void check_slot(const wire::ServerConfig& server) const;

  std::span<const Protocol* const> protocols_;
  std::size_t threads_;
  std::shared_ptr<WorkerFacts> facts_;
  Tallies& tallies_;
  std::function<void()> log_wake_;
  std::shared_ptr<Gauge> worker_ = std::make_shared<Gauge>();
  std::map<std::int64_t, Segment> segments_;
  std::map<std::string, Tenant> tenants_;
  std::map<std::string, ServerEntry, std::less<>> servers_;
  std::uint64_t next_number_ = 0;
};

}  // namespace arcus
