#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "lib/base/log.h"
#include "lib/base/server_type.h"
#include "lib/daemon/access_logs.h"
#include "lib/daemon/backend_ledger.h"
#include "lib/daemon/certificates.h"
#include "lib/daemon/managed_server.h"
#include "lib/daemon/paths.h"
#include "lib/daemon/refuser.h"
#include "lib/daemon/store.h"
#include "lib/daemon/worker.h"
#include "lib/registry/observed.h"

namespace arcus::daemon {

struct SupervisorOptions {
  std::int64_t threads = 1;  ///< data threads of a worker whose tenant does not say
  bool auto_start = true;    ///< false: servers that run by wish are held until their row changes
  std::string log_filter = "info";
  std::string version;
  std::string instance;
  std::int64_t worker_uid = -1;  ///< workers change to it; -1 = they stay what we are
  std::int64_t worker_gid = -1;
  std::optional<std::chrono::milliseconds> drain_timeout;  ///< in place of the setting
  bool access_log_to_stdout = false;                       ///< `serve`
  std::size_t config_frame_size = 4 << 20;                 ///< bytes; more comes in several frames
  /// Events of one worker in 10 s: far above what the largest has to say; who says more is ended.
  std::size_t most_events = 30'000;
};

/// What the health poll needs to know of a running server.
struct HealthTarget {
  std::string id;
  std::string reference;
  std::string type;
  std::string running_since;
  Endpoint address;
  std::int64_t max_connections = 0;
  std::int64_t backends = 0;
  std::int64_t backends_down = 0;
  bool tls = false;
  std::optional<WallTime> certificate_end;  ///< when the first of its certificates ends
};

/// One server for people.
struct ServerLine {
  std::string id;
  std::string reference;
  std::string type;
  std::string address;
  std::string status;
  std::string error;
};

/// How many servers are in which status.
struct StatusCount {
  std::int64_t total = 0;
  std::int64_t running = 0;
  std::int64_t error = 0;
  std::int64_t pending = 0;  ///< starting, stopping
};

/// Makes what runs equal what the registry wants. Level-triggered: `reconcile` may be called at any time, any
/// number of times. Everything happens on the event loop's thread.
class Supervisor final : public WorkerEvents {
 public:
  Supervisor(asio::io_context& io, Store& store, const Catalog& catalog, Paths paths,
             SupervisorOptions options);
  ~Supervisor() override;

  /// Reads the registry, and starts every change that is due.
  void reconcile();
  /// Tries again what waits for its time (busy ports), and writes what could not be written.
  void tick();
  /// Every server's configuration goes to its worker again; certificates and files are read anew.
  void reload_all();
  void reopen_logs();
  void set_log_filter(const std::string& filter);
  /// Tells the workers when resolv.conf, hosts or the host's addresses differ from the last time.
  void refresh_resolver();
  /// Servers whose certificates, keys or other files changed get them; their ticket keys are renewed.
  void refresh_files();
  /// Asks the workers for their figures; they are written with the next state.
  void refresh_workers();
  /// Asks those that check backends what they found.
  void refresh_checks();
  /// Checks all backends that are checked at all; `then` is called once, when the results are known or will
  /// not come.
  void check_backends(std::function<void()> then);

  /// Stops everything, draining at most the drain timeout (`now`: not at all), then calls `done`.
  void shut_down(bool now, std::function<void()> done);
  bool is_shutting_down() const noexcept { return static_cast<bool>(on_shut_down_); }

  /// Announces the daemon's own connection from `source_port`; `then` gets "" or what is wrong.
  void announce_probe(const std::string& server_id, std::uint16_t source_port,
                      std::function<void(const std::string& error)> then);
  /// The connections of a draining server end within `limit` from now (0: at once); a later limit than the
  /// one in force changes nothing. False when it does not drain.
  bool hurry_drain(const std::string& server_id, std::chrono::milliseconds limit);
  /// Should the server be stopped within `validity`, its connections may go on for `limit`, not for its
  /// drain_timeout.
  void order_drain(const std::string& server_id, std::chrono::milliseconds limit,
                   std::chrono::milliseconds validity = std::chrono::seconds{10});

  StatusCount count() const;
  /// By reference.
  std::vector<ServerLine> lines() const;
  std::vector<HealthTarget> health_targets() const;
  /// Whether that server still runs as it did when it became a target.
  bool still_runs(const HealthTarget& target) const;
  const std::vector<std::unique_ptr<Worker>>& workers() const noexcept { return workers_; }
  /// Lines about every server and worker for the log (SIGUSR2).
  std::vector<std::string> dump() const;
  /// Incarnations of workers that live now, with their group.
  std::map<std::string, std::string> incarnations() const;
  const registry::Settings& settings() const noexcept { return settings_; }
  std::chrono::milliseconds drain_timeout() const;

  /// Called once, when every server has reached running, stopped or error for the first time and that is
  /// written.
  std::function<void()> on_settled;
  /// Called when a worker's counter files became final or new ones appeared.
  std::function<void()> on_incarnations_changed;

  void on_worker_start(Worker& worker) override;
  void on_worker_ready(Worker& worker, const wire::Ready& ready) override;
  void on_worker_ack(Worker& worker, const wire::Ack& ack) override;
  void on_worker_event(Worker& worker, const wire::Event& event) override;
  void on_worker_status(Worker& worker, const wire::WorkerStatus& status) override;
  void on_worker_death(Worker& worker, const std::string& why,
                       std::optional<std::chrono::milliseconds> pause) override;

 private:
  struct Expected {
    Worker* worker = nullptr;
    std::function<void(const std::string& error)> then;
  };
  struct PendingEvent {
    std::string kind, tenant, object, detail;
  };
  struct Talk {
    std::chrono::steady_clock::time_point since;
    std::size_t count = 0;
    std::size_t refusals = 0;
  };
  struct Resources {
    std::int64_t threads = 0;             ///< 0 = automatic
    std::int64_t memory_limit_bytes = 0;  ///< 0 = unlimited
  };

  // supervisor_servers.cc: one server
  void take_row(ManagedServer& server);
  void apply_row(ManagedServer& server, bool force);
  bool make_config(ManagedServer& server, const registry::DesiredTenant& tenant, bool force);
  void apply_access(ManagedServer& server, const registry::DesiredTenant& tenant);
  ListenSocket open_in_place(ManagedServer& server, const Endpoint& wanted, int backlog);
  bool open_listener(ManagedServer& server, const wire::ServerConfig& config);
  void drive(ManagedServer& server);
  void drive_stop(ManagedServer& server);
  void drive_start(ManagedServer& server);
  static std::chrono::milliseconds drain_limit(ManagedServer& server);
  static void close_listeners(ManagedServer& server);
  void leave_worker(ManagedServer& server, std::chrono::milliseconds drain);
  void send_listen(ManagedServer& server);
  void on_config_ack(ManagedServer& server, const wire::Ack& ack);
  void report(ManagedServer& server, std::string_view status, std::string_view reason = {},
              std::string_view error = {});
  void settle(ManagedServer& server);
  std::string not_wanted(const registry::DesiredServer& desired) const;
  const registry::DesiredTenant* tenant_of(const ManagedServer& server) const;

  // supervisor.cc: workers and writing
  Worker& worker_for(const WorkerSpec& spec);
  WorkerSpec spec_of(const ManagedServer& server) const;
  bool may_say_more(const Worker& worker, std::size_t things = 1);
  void take_refusal(const Worker& worker, const registry::Server& server, const wire::Event& event);
  void queue_config(ManagedServer& server);
  void send_configs(Worker& worker, const std::set<std::string>& ids);
  void send_config_frame(Worker& worker, wire::WorkerConfig frame);
  void tell_own_ports();
  void replace(Worker& worker);
  void listen_again(ManagedServer& server);
  void send_log(Worker& worker, const std::string& tenant_id);
  void follow_name(const registry::Tenant& former);
  void expire_users();
  void note_expiries();
  void retire_unused();
  void forget_removed();
  void schedule_turn();
  void turn();
  void write_states();
  std::vector<registry::WorkerRow> worker_news() const;
  registry::WorkerRow row_of(const Worker& worker) const;
  std::int64_t expect(Worker& worker, std::function<void(const std::string& error)> then);

  asio::io_context& io_;
  Store& store_;
  const Catalog& catalog_;
  Paths paths_;
  SupervisorOptions options_;
  AccessLogs logs_;

  registry::Settings settings_;
  std::map<std::string, registry::DesiredTenant> tenants_;
  std::map<std::string, Resources> group_resources_;  ///< what the tenants of a worker group ask for
  std::map<std::string, ManagedServer> servers_;
  std::vector<std::unique_ptr<Worker>> workers_;  ///< retiring ones too
  std::map<Worker*, std::set<std::string>> config_queue_;
  std::map<Worker*, std::set<std::string>> logs_sent_;    ///< tenants whose log the worker has
  std::map<Worker*, std::unique_ptr<Refuser>> refusers_;  ///< of workers that stay away for long
  std::map<std::string, wire::Ready> ready_;              ///< by worker group
  std::map<std::string, wire::WorkerStatus> status_;      ///< by worker group
  wire::ResolverConfig resolver_;
  wire::OwnPortsFrame own_ports_;  ///< as the workers know them
  Certificates certificates_;

  std::map<std::int64_t, Expected> expected_;
  std::int64_t next_seq_ = 1;
  std::int64_t next_version_ = 1;
  std::int64_t next_listener_ = 1;

  std::set<std::string> dirty_workers_;
  std::map<std::string, registry::WorkerRow> written_workers_;
  std::set<std::string> removed_workers_;
  std::vector<PendingEvent> events_;
  std::vector<registry::Refusal> refusals_;
  std::map<std::string, Talk> talk_;  ///< by worker group
  BackendLedger backends_;
  std::set<std::string> asks_;              ///< workers, by group, to be asked for their status
  std::optional<std::string> next_expiry_;  ///< when the next user may not log in any more
  bool is_turn_scheduled_ = false;
  bool has_read_ = false;
  bool is_settled_ = false;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::function<void()> on_shut_down_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace arcus::daemon
