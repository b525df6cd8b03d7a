#pragma once

#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "lib/daemon/control_socket.h"
#include "lib/daemon/daemon.h"
#include "lib/daemon/health_poller.h"
#include "lib/daemon/notify.h"
#include "lib/daemon/recorder.h"
#include "lib/daemon/store.h"
#include "lib/daemon/supervisor.h"

namespace arcus::daemon {

/// All parts of a running daemon and the clockwork that drives them; made by `run`.
class DaemonLoop {
 public:
  DaemonLoop(LockFile lock, const Catalog& catalog, RunOptions options);

  int run();

 private:
  using Duration = std::chrono::milliseconds;

  void recover();
  void announce_ready();
  /// Says in the registry that we live, and what a round of health checks found: one transaction for both.
  void beat(const std::vector<registry::HealthResult>& health = {});
  void do_duties();
  void keep_lock();
  void write_holder();
  registry::DaemonRow own_row() const;
  void record();
  void seal_audit();
  void clean_up();
  void watch_registry();
  void poll_health();
  void on_signal(int signal);
  void on_stop_signal();
  void reload();
  void reopen_logs();
  void dump() const;
  void stop(bool now);
  void say_what_remains();
  void say(std::string_view text) const;
  void finish();
  void wait_for_signal();
  /// Calls `task` again and again, `interval()` apart.
  void repeat(asio::steady_timer& timer, std::function<Duration()> interval, std::function<void()> task);

  // control_commands.cc
  void answer(std::string_view line, ControlSocket::Reply reply);

  friend struct ControlCommands;

  LockFile lock_;
  RunOptions options_;
  asio::io_context io_{1};
  Notifier notifier_ = Notifier::from_environment();
  Store store_;
  Supervisor supervisor_;
  Recorder recorder_;
  HealthPoller health_;
  ControlSocket control_;
  asio::signal_set signals_;
  asio::steady_timer registry_timer_{io_}, record_timer_{io_}, duty_timer_{io_}, health_timer_{io_},
      watchdog_timer_{io_}, checks_timer_{io_}, figures_timer_{io_}, stop_timer_{io_}, seal_timer_{io_},
      cleaning_timer_{io_}, files_timer_{io_};
  std::string started_at_;
  std::string boot_id_;
  std::chrono::steady_clock::time_point beat_at_{};
  int finish_attempts_ = 0;
  int exit_code_ = 0;
  bool is_ready_ = false;
  bool is_stop_asked_ = false;
  bool cleans_on_ = true;  ///< there is more to remove than went at once
  bool is_finished_ = false;
};

}  // namespace arcus::daemon
