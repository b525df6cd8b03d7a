#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/daemon/backoff.h"
#include "lib/daemon/channel.h"
#include "lib/daemon/counter_segments.h"
#include "lib/daemon/worker_log.h"
#include "lib/daemon/worker_process.h"
#include "lib/wire/messages.h"

namespace arcus::daemon {

class Worker;

/// Who is told what happens in workers. All calls come from the event loop, never from inside a call to a
/// Worker.
class WorkerEvents {
 public:
  virtual ~WorkerEvents() = default;
  /// A new process runs and has had its hello: send it what it needs.
  virtual void on_worker_start(Worker& worker) = 0;
  virtual void on_worker_ready(Worker& worker, const wire::Ready& ready) = 0;
  virtual void on_worker_ack(Worker& worker, const wire::Ack& ack) = 0;
  virtual void on_worker_event(Worker& worker, const wire::Event& event) = 0;
  virtual void on_worker_status(Worker& worker, const wire::WorkerStatus& status) = 0;
  /// It died; another is started after `pause` (nothing: it was told to go). `why` is "signal 11".
  virtual void on_worker_death(Worker& worker, const std::string& why,
                               std::optional<std::chrono::milliseconds> pause) = 0;
};

/// What makes one worker different from another; a change of it needs another process.
struct WorkerSpec {
  std::string group;
  std::int64_t threads = 1;
  std::int64_t memory_limit_bytes = 0;

  bool operator==(const WorkerSpec&) const = default;
};

/// One worker process kept alive: started, watched, replaced when it dies.
class Worker {
 public:
  /// `hello` and `run_dir` are the same for all workers but for what the spec says.
  Worker(asio::io_context& io, WorkerSpec spec, wire::Hello hello, std::filesystem::path run_dir,
         WorkerEvents& events);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  const WorkerSpec& spec() const noexcept { return spec_; }
  /// Starts the process in the next turn of the event loop.
  void start();
  /// Drains and ends it, and starts no other; `on_worker_death` comes with the end. It is killed 5 s after
  /// the limit.
  void retire(std::chrono::milliseconds drain_timeout);
  /// Ends it without draining. `why` then stands for how it died.
  void kill(std::string why = {});

  bool is_up() const noexcept { return process_ && channel_; }
  bool is_retiring() const noexcept { return retiring_; }
  pid_t pid() const noexcept { return process_ ? process_->pid() : -1; }
  std::int64_t restarts() const noexcept { return restarts_; }
  const std::string& last_exit() const noexcept { return last_exit_; }
  const std::string& started_at() const noexcept { return started_at_; }
  /// Names this run of the process; "" while none runs.
  const std::string& incarnation() const noexcept { return incarnation_; }
  /// Only while is_up().
  CounterSegments& counters() noexcept { return *counters_; }

  /// Dropped silently when no process runs: the next one is told everything anew.
  void send(wire::FrameType type, std::string_view body, int descriptor = -1);
  /// Makes the worker's counter files known to it; call it before a config frame that names their slots.
  void pass_counters();

 private:
  void spawn();
  void watch();
  void handle(wire::Frame frame);
  void on_exit();
  void expect_ready();
  void restart_later(std::chrono::milliseconds pause);

  asio::io_context& io_;
  WorkerSpec spec_;
  wire::Hello hello_;
  std::filesystem::path run_dir_;
  WorkerEvents& events_;

  std::optional<WorkerProcess> process_;
  std::unique_ptr<Channel> channel_;
  std::optional<WorkerLog> log_;
  std::optional<CounterSegments> counters_;
  asio::posix::stream_descriptor exit_waiter_;
  asio::steady_timer timer_;
  Backoff backoff_;
  std::chrono::steady_clock::time_point spawned_at_{};
  std::string started_at_;
  std::string incarnation_;
  std::string last_exit_;
  std::string killed_for_;
  std::int64_t restarts_ = 0;
  bool is_ready_ = false;
  bool retiring_ = false;
  /// Watched by handlers that may be queued already when the Worker is destroyed.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace arcus::daemon
