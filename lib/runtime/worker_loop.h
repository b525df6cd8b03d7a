#pragma once

#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/runtime/refusals.h"
#include "lib/runtime/server_table.h"
#include "lib/runtime/shared.h"
#include "lib/wire/frame.h"
#include "lib/wire/messages.h"

namespace arcus {

class DataThread;

/// A worker's main thread: what the daemon says, signals, access logs. Data threads do the traffic.
class WorkerLoop {
 public:
  WorkerLoop(wire::FrameChannel channel, const wire::Hello& hello,
             std::span<const Protocol* const> protocols);
  ~WorkerLoop();

  /// Starts the data threads, tells the daemon `ready` and serves until told to end. Returns the exit status.
  int run(const wire::Ready& ready);

 private:
  using Milliseconds = std::chrono::milliseconds;

  void tell_refusals_soon();
  void tell_refusals();

  // The channel.
  void read_frames();
  void wait_for_frames();
  void send(wire::FrameType type, const std::string& body);
  void wait_to_write();
  void channel_lost();
  void handle(wire::Frame frame);

  // One kind of frame each.
  void on_config(const wire::WorkerConfig& config);
  void on_listen(const wire::ListenFrame& frame, UniqueFd socket);
  void on_unlisten(const wire::ListenFrame& frame);
  void on_resolver(const wire::ResolverConfig& config);
  void on_own_ports(const wire::OwnPortsFrame& frame);
  void on_probe(const wire::ProbeFrame& frame);
  void on_check(const wire::CheckFrame& frame);
  void on_status();
  void send_status(std::vector<wire::BackendStatus> backends);
  void sample_delays();
  void measure_memory();
  void on_log_level(const std::string& filter);

  void put_server(const wire::ServerConfig& server);
  void ack_listen(const wire::ListenFrame& frame, const std::string& error);
  /// Stops `entry`'s sessions within `patience`, then calls `done`; what is cut ends with `reason`.
  void drain_server(ServerEntry& entry, Milliseconds patience, Reason reason, std::function<void()> done);
  void drain_all(Milliseconds patience);
  /// The daemon is gone or wants us gone: free the ports, let connections end.
  void leave();
  void on_signal();
  void watch_signals();
  void flush_logs_soon();
  /// Runs `task` on every data thread, then `done` here with what the first that threw had to say, else "".
  void on_all_threads(const std::function<void(DataThread&)>& task,
                      std::function<void(const std::string& error)> done);

  asio::io_context io_{1};
  std::shared_ptr<WorkerFacts> facts_;
  WorkerShared shared_;
  ServerTable table_;
  wire::FrameChannel channel_;
  asio::posix::stream_descriptor channel_events_{io_};
  asio::signal_set signals_{io_};
  asio::steady_timer log_timer_{io_};
  asio::steady_timer delay_timer_{io_};
  asio::steady_timer memory_timer_{io_};
  asio::steady_timer refusal_timer_{io_};
  RefusalTally refusals_;  ///< of all threads, while they are asked
  asio::steady_timer exit_timer_{io_};
  std::vector<std::jthread> running_;
  Logger log_{"worker"};
  std::size_t threads_;
  int signals_seen_ = 0;
  int quiet_samples_ = 0;  ///< in a row without a connection
  bool flushing_ = false;
  bool ending_ = false;
  bool writing_ = false;
};

}  // namespace arcus
