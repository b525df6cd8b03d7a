#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/linger.h"
#include "lib/net/pipe_pool.h"
#include "lib/net/poller.h"
#include "lib/net/resolver.h"
#include "lib/runtime/loop_delay.h"
#include "lib/runtime/refusals.h"
#include "lib/runtime/server_config.h"
#include "lib/runtime/server_on_thread.h"
#include "lib/runtime/shared.h"
#include "lib/upstream/keepalive.h"
#include "lib/wire/counters.h"

namespace arcus {

class BackendChoice;
class HealthChecks;
class Listener;
class ListeningSocket;
class Mailbox;

/// One data thread: blocks in its own epoll_wait and owns everything its connections use. The members are for
/// code on that thread; post() and load() are for everyone.
class DataThread {
 public:
  DataThread(WorkerShared& shared, unsigned index);
  ~DataThread();
  DataThread(const DataThread&) = delete;
  DataThread& operator=(const DataThread&) = delete;

  unsigned index() const noexcept { return index_; }
  NetContext& net() noexcept { return net_; }
  Poller& poller() noexcept { return poller_; }
  DeadlineLists& deadlines() noexcept { return deadlines_; }
  Resolver& resolver() noexcept { return resolver_; }
  KeepAlivePool& keep_alive() noexcept { return keep_alive_; }
  /// 64 KiB for the current callback.
  std::span<char> scratch() noexcept { return scratch_; }
  SteadyTime now() const noexcept { return poller_.now(); }
  WorkerShared& shared() noexcept { return shared_; }
  std::string& line_buffer() noexcept { return line_; }
  std::uint64_t next_connection_id() noexcept { return ++connections_ * shared_.threads().size() + index_; }

  /// Runs `task` on the thread, in order. Safe from any thread.
  void post(std::function<void(DataThread&)> task);
  /// Connections now on this thread; readable from any thread.
  std::int64_t load() const noexcept { return load_.load(std::memory_order_relaxed); }

  LoopDelay& loop_delay() noexcept { return loop_delay_; }
  RefusalTally& refusals() noexcept { return refusals_; }
  HealthChecks& checks() noexcept { return *checks_; }
  /// Clients of this thread that wait for a backend, by ticket.
  std::unordered_map<std::uint64_t, BackendChoice*>& in_line() noexcept { return in_line_; }
  /// Where this thread counts; nullptr for 0 and for a place that is none.
  wire::Tally* tally(std::uint32_t place) const noexcept { return shared_.tallies().find(place, index_); }

  // For the runtime.

  void run();  ///< until stop()
  void stop() noexcept { stopping_ = true; }
  ServerOnThread* find_server(std::uint64_t number) noexcept;
  /// Adds the server, or gives it a new snapshot.
  void put_server(std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters);
  /// Only once its last connection has gone.
  void remove_server(std::uint64_t number);
  /// False when the socket cannot be watched.
  bool listen(std::uint64_t server, std::shared_ptr<ListeningSocket> socket);
  void unlisten(std::uint64_t server);
  void add_load(std::int64_t change) noexcept {
    if (change > 0) shared_.note_load();
    load_.store(load_.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }

 private:
  WorkerShared& shared_;
  unsigned index_;
  std::vector<char> scratch_;
  std::string line_;
  Poller poller_;
  DeadlineLists deadlines_;
  PipePool pipes_;
  Resolver resolver_;
  KeepAlivePool keep_alive_;
  Lingering lingering_;
  NetContext net_;
  std::unique_ptr<Mailbox> mailbox_;
  std::unordered_map<std::uint64_t, BackendChoice*> in_line_;
  std::map<std::uint64_t, std::unique_ptr<ServerOnThread>> servers_;
  std::map<std::uint64_t, std::unique_ptr<Listener>> listeners_;
  std::uint64_t connections_ = 0;
  std::atomic<std::int64_t> load_{0};
  LoopDelay loop_delay_;
  RefusalTally refusals_;
  std::unique_ptr<HealthChecks> checks_;  ///< of the first thread alone
  bool stopping_ = false;
};

}  // namespace arcus
