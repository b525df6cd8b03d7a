#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/pipe_pool.h"
#include "lib/net/poller.h"
#include "lib/net/resolver.h"
#include "lib/net/stream.h"
#include "lib/runtime/protocol.h"
#include "lib/runtime/server_config.h"
#include "lib/upstream/backends.h"
#include "lib/upstream/keepalive.h"
#include "lib/wire/counters.h"

namespace arcus {

class DataThread;
class Listener;
struct WorkerShared;

/// A server as one data thread sees it.
class ServerOnThread {
 public:
  ServerOnThread(DataThread& thread, std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters);
  ~ServerOnThread();
  ServerOnThread(const ServerOnThread&) = delete;
  ServerOnThread& operator=(const ServerOnThread&) = delete;

  DataThread& thread() const noexcept { return thread_; }
  /// The newest snapshot.
  const std::shared_ptr<const ServerConfig>& config() const noexcept { return config_; }
  Handler& handler() noexcept { return *handler_; }
  /// This thread's counts; nobody else writes them.
  wire::CounterSlot& counters() const noexcept { return *counters_; }
  BackendChooser& chooser() noexcept { return chooser_; }
  /// Stopping: http answers `Connection: close`.
  bool is_draining() const noexcept { return draining_; }

  /// Keeps `session` until its end() and starts it.
  void adopt(std::unique_ptr<Session> session);
  std::size_t session_count() const noexcept { return session_count_; }

  // For the runtime.
  void accepted(Stream stream, const Endpoint& peer);
  void set_config(std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters);
  void drain();
  void undrain() noexcept { draining_ = false; }
  void kill(Reason reason);

 private:
  friend class Session;
  friend class ClientConnection;
  void release(Session& session);

  DataThread& thread_;
  std::shared_ptr<const ServerConfig> config_;
  wire::CounterSlot* counters_;
  std::unique_ptr<Handler> handler_;
  BackendChooser chooser_;
  Session* sessions_ = nullptr;
  std::size_t session_count_ = 0;
  std::size_t connection_count_ = 0;
  bool draining_ = false;
};

/// One data thread: blocks in its own epoll_wait and owns everything its connections use. The members are for
/// code on that thread; post() is for everyone.
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

  /// Runs `task` on the thread, in order. Safe from any thread.
  void post(std::function<void(DataThread&)> task);
  /// Connections now on this thread; readable from any thread.
  std::int64_t load() const noexcept { return load_.load(std::memory_order_relaxed); }

  // For the runtime.
  void run();  ///< until stop()
  void stop() noexcept { stopping_ = true; }
  ServerOnThread* find_server(std::uint64_t number) noexcept;
  ServerOnThread& put_server(std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters);
  void remove_server(std::uint64_t number);
  std::map<std::uint64_t, std::unique_ptr<ServerOnThread>>& servers() noexcept { return servers_; }
  void add_load(std::int64_t change) noexcept {
    load_.store(load_.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }

 private:
  class Mailbox;

  WorkerShared& shared_;
  unsigned index_;
  std::vector<char> scratch_;
  Poller poller_;
  DeadlineLists deadlines_;
  PipePool pipes_;
  Resolver resolver_;
  KeepAlivePool keep_alive_;
  NetContext net_;
  std::unique_ptr<Mailbox> mailbox_;
  std::map<std::uint64_t, std::unique_ptr<ServerOnThread>> servers_;
  std::map<std::uint64_t, std::unique_ptr<Listener>> listeners_;
  std::atomic<std::int64_t> load_{0};
  bool stopping_ = false;

  friend class Listener;
  friend class Worker;
};

}  // namespace arcus
