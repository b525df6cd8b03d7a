#include "lib/daemon/daemon.h"

#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <asio/post.hpp>
#include <csignal>
#include <thread>
#include <tuple>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/daemon/daemon_loop.h"
#include "lib/daemon/detach.h"
#include "lib/daemon/old_logs.h"
#include "lib/daemon/process_usage.h"
#include "lib/registry/audit_chain.h"

namespace arcus::daemon {

using std::chrono::milliseconds;
using std::chrono::seconds;

static constexpr milliseconds registry_interval{200};
/// Views call a daemon gone after 30 s without a heartbeat.
static constexpr seconds longest_silence{20};
static constexpr seconds duty_interval{5};
static constexpr seconds figures_interval{60};
static constexpr seconds checks_interval{5};
static constexpr std::chrono::hours cleaning_interval{1};
/// Rows of each table that go at once: others wait for the file as long.
static constexpr std::int64_t most_garbage = 5'000;
static constexpr seconds seal_interval{1};
/// A certificate is shown within a second of its file's being replaced.
static constexpr milliseconds files_interval{500};
static constexpr std::int64_t most_seals = 1'000;
static constexpr milliseconds finish_pause{200};
static constexpr milliseconds first_outcome_patience{1'000};
static constexpr milliseconds first_drain{100};
static constexpr int most_finish_attempts = 25;
static constexpr unsigned most_threads = 8;

std::string Ready::to_string() const {
  std::string out = "pid " + std::to_string(pid) + ", " + std::to_string(count.running) + " of " +
                    std::to_string(count.total) + (count.total == 1 ? " server" : " servers") + " running";
  if (count.error > 0) out += ", " + std::to_string(count.error) + (count.error == 1 ? " error" : " errors");
  return out;
}

std::optional<RunHolder> find_running_daemon(const std::filesystem::path& db) {
  const auto deadline = std::chrono::steady_clock::now() + seconds{1};
  for (;;) {
    auto holder = find_run_holder(db);
    if (!holder || is_alive(holder->pid)) return holder;
    if (std::chrono::steady_clock::now() > deadline) return RunHolder{};
    std::this_thread::sleep_for(milliseconds{5});
  }
}

std::variant<LockFile, RunHolder> take_run_lock(const std::filesystem::path& db) {
  LockFile lock{db};
  for (;;) {
    if (lock.try_lock_run()) {
      lock.write_holder(
          {.pid = static_cast<int>(::getpid()), .boot_id = {}, .started_at = {}, .version = {}});
      return lock;
    }
    if (auto holder = find_running_daemon(db)) return *holder;  // else it ended between the two looks
  }
}

/// Process-wide: enough descriptors, no core files, no new privileges, files for us and our group.
static void prepare_process() {
  ::umask(027);
  std::signal(SIGPIPE, SIG_IGN);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  const rlimit no_core{};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/// Whom the workers of a daemon that runs as root become: `arcus` when there is such a user, else `nobody`.
static std::pair<std::int64_t, std::int64_t> worker_identity() {
  for (const char* name : {"arcus", "nobody"})
    if (const passwd* entry = ::getpwnam(name); entry && entry->pw_uid != 0)
      return {entry->pw_uid, entry->pw_gid};
  constexpr std::int64_t nobody = 65'534;
  return {nobody, nobody};
}

static SupervisorOptions supervisor_options(const RunOptions& options) {
  SupervisorOptions out;
  const unsigned processors = std::clamp(std::thread::hardware_concurrency(), 1U, most_threads);
  out.threads = options.threads > 0 ? options.threads : processors;
  out.auto_start = options.auto_start;
  out.log_filter = options.log_filter;
  out.version = options.version;
  out.instance = instance_name(options.paths.db);
  out.drain_timeout = options.drain_timeout;
  if (::geteuid() == 0) std::tie(out.worker_uid, out.worker_gid) = worker_identity();
  out.access_log_to_stdout = options.access_log_to_stdout;
  return out;
}

int run(LockFile lock, const Catalog& catalog, RunOptions options) {
  prepare_process();
  if (!options.log_file.empty()) ::dup2(open_log(options.log_file).get(), STDERR_FILENO);
  set_log({.fd = STDERR_FILENO, .format = options.log_format, .filter = options.log_filter});
  std::filesystem::create_directories(options.paths.run_dir);
  std::filesystem::permissions(options.paths.run_dir, std::filesystem::perms{0700});
  DaemonLoop loop{std::move(lock), catalog, std::move(options)};
  return loop.run();
}

DaemonLoop::DaemonLoop(LockFile lock, const Catalog& catalog, RunOptions options)
    : lock_{std::move(lock)},
      options_{std::move(options)},
      store_{options_.paths.db, catalog},
      supervisor_{io_, store_, catalog, options_.paths, supervisor_options(options_)},
      recorder_{store_, options_.paths.run_dir},
      health_{io_, supervisor_, recorder_, [this](const auto& results) { beat(results); }},
      control_{io_, options_.paths.socket, options_.paths.db,
               [this](std::string_view line, ControlSocket::Reply reply) { answer(line, std::move(reply)); }},
      signals_{io_},
      started_at_{now_text()},
      boot_id_{boot_id()} {
  write_holder();
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) signals_.add(signal);
}

int DaemonLoop::run() {
  recover();
  control_.ensure();
  wait_for_signal();
  supervisor_.on_settled = [this] { announce_ready(); };
  supervisor_.on_incarnations_changed = [this] { asio::post(io_, [this] { record(); }); };
  supervisor_.reconcile();
  const auto every = [](milliseconds interval) { return [interval] { return interval; }; };
  repeat(registry_timer_, every(registry_interval), [this] { watch_registry(); });
  repeat(duty_timer_, every(duty_interval), [this] { do_duties(); });
  repeat(figures_timer_, every(figures_interval), [this] { supervisor_.refresh_workers(); });
  repeat(checks_timer_, every(checks_interval), [this] { supervisor_.refresh_checks(); });
  repeat(
      cleaning_timer_, [this] { return cleans_on_ ? Duration{1'000} : Duration{cleaning_interval}; },
      [this] { clean_up(); });
  repeat(seal_timer_, every(seal_interval), [this] { seal_audit(); });
  repeat(files_timer_, every(files_interval), [this] { supervisor_.refresh_files(); });
  repeat(
      record_timer_,
      [this] { return options_.stats_interval.value_or(supervisor_.settings().stats_interval); },
      [this] { record(); });
  repeat(
      health_timer_,
      [this] { return options_.health_interval.value_or(supervisor_.settings().health_interval); },
      [this] { poll_health(); });
  if (const auto interval = notifier_.watchdog_interval())
    repeat(watchdog_timer_, every(*interval), [this] { notifier_.watchdog(); });
  for (;;) {
    try {
      io_.run();
      return exit_code_;
    } catch (const std::exception& error) {  // one event's failure must not stop what serves
      Logger{"daemon"}.error("internal", field("error", error.what()));
    }
  }
}

/// What the last daemon left behind: rows that say running, a row of itself. One transaction.
void DaemonLoop::recover() {
  const bool is_written = store_.write([this](Database& db) {
    if (const auto last = registry::find_daemon(db))
      registry::add_event(
          db, "recovered", {}, "daemon",
          "pid " + std::to_string(last->pid) + " ended without a word, last heartbeat " + last->heartbeat_at);
    for (const auto& worker : registry::list_workers(db)) registry::remove_worker(db, worker.worker_group);
    registry::reset_server_states(db);
    registry::put_daemon(db, own_row());
    registry::add_event(db, "started", {}, "daemon", "pid " + std::to_string(::getpid()));
  });
  if (!is_written) throw Error{ErrorKind::registry, store_.problem()};
  recorder_.flush({});
}

/// The lock file may have been removed by hand: then nobody would see that we run.
void DaemonLoop::keep_lock() {
  try {
    if (find_run_holder(options_.paths.db)) return;
    LockFile fresh{options_.paths.db};
    if (!fresh.try_lock_run()) return;
    Logger{"daemon"}.warn("the lock file was removed; made it again", field("path", fresh.path().string()));
    lock_ = std::move(fresh);
    write_holder();
  } catch (const Error& error) {
    Logger{"daemon"}.error("no lock file", field("error", error.what()));
  }
}

void DaemonLoop::write_holder() {
  lock_.write_holder({.pid = static_cast<int>(::getpid()),
                      .boot_id = boot_id_,
                      .started_at = started_at_,
                      .version = options_.version});
}

registry::DaemonRow DaemonLoop::own_row() const {
  const ProcessUsage usage = process_usage(::getpid());
  return {.pid = ::getpid(),
          .boot_id = boot_id_,
          .version = options_.version,
          .started_at = started_at_,
          .heartbeat_at = now_text(),
          .socket_path = options_.paths.socket,
          .run_dir = options_.paths.run_dir,
          .log_dir = options_.paths.log_dir,
          .rss_bytes = usage.rss_bytes,
          .cpu_ms = usage.cpu_ms,
          .open_fds = own_open_fds()};
}

void DaemonLoop::announce_ready() {
  is_ready_ = true;
  const Ready ready{.pid = ::getpid(), .count = supervisor_.count(), .servers = supervisor_.lines()};
  Logger{"daemon"}.info("ready", field("servers", ready.count.total) + field("running", ready.count.running) +
                                     field("errors", ready.count.error));
  notifier_.ready(ready.to_string());
  record();
  if (options_.on_ready && !options_.on_ready(ready)) {
    exit_code_ = 1;
    return stop(false);
  }
  if (is_stop_asked_) stop(false);
}

void DaemonLoop::beat(const std::vector<registry::HealthResult>& health) {
  const bool is_written = store_.write([this, &health](Database& db) {
    registry::put_daemon(db, own_row());
    registry::put_health(db, health);
  });
  if (is_written) beat_at_ = std::chrono::steady_clock::now();
}

void DaemonLoop::do_duties() {
  if (std::chrono::steady_clock::now() - beat_at_ > longest_silence - duty_interval) beat();
  store_.checkpoint_if_due();
  keep_lock();
  control_.ensure();
  supervisor_.refresh_resolver();
}

void DaemonLoop::record() {
  recorder_.flush(supervisor_.incarnations());
  store_.checkpoint_if_due();
  if (options_.health_check.value_or(supervisor_.settings().health_check) && is_ready_ &&
      !supervisor_.is_shutting_down())
    health_.start_round(true);
}

/// Audit rows are sealed within a second, so that who changes one later is found out.
void DaemonLoop::seal_audit() {
  if (store_.holds(registry::has_unsealed_audit))
    store_.write([](Database& db) { registry::seal_audit(db, most_seals); });
}

/// Goes on soon when there was more than goes at once.
void DaemonLoop::clean_up() {
  const registry::Retention kept = supervisor_.settings().retention;
  registry::Garbage gone;
  std::int64_t audit_rows = 0;
  const bool is_written = store_.write([&](Database& db) {
    gone = registry::remove_old_events(db, kept, wall_now(), most_garbage);
  }) && store_.write([&](Database& db) {
    audit_rows = registry::prune_old_audit(db, kept, wall_now(), most_garbage);
  });
  cleans_on_ = is_written && std::max({gone.events, gone.health_events, audit_rows}) >= most_garbage;
  const auto logs = kept.logs.count() > 0 ? remove_logs(find_old_logs(options_.paths.log_dir, kept.logs))
                                          : std::vector<OldLog>{};
  if (gone.events + gone.health_events + audit_rows == 0 && logs.empty()) return;
  Logger{"daemon"}.info("removed what is older than retention.*",
                        field("events", gone.events + gone.health_events) + field("audit_rows", audit_rows) +
                            field("logs", std::ssize(logs)));
}

void DaemonLoop::watch_registry() {
  if (store_.changed()) supervisor_.reconcile();
  supervisor_.tick();
}

void DaemonLoop::poll_health() {
  if (options_.health_check.value_or(supervisor_.settings().health_check) && !supervisor_.is_shutting_down())
    health_.start_round(false);
}

void DaemonLoop::repeat(asio::steady_timer& timer, std::function<Duration()> interval,
                        std::function<void()> task) {
  timer.expires_after(std::max(interval(), Duration{10}));
  timer.async_wait([this, &timer, interval, task](const asio::error_code& error) {
    if (error || is_finished_) return;
    try {
      task();
    } catch (const std::exception& thrown) {  // the next time may work, and must come
      Logger{"daemon"}.error("internal", field("error", thrown.what()));
    }
    repeat(timer, interval, task);
  });
}

void DaemonLoop::wait_for_signal() {
  signals_.async_wait([this](const asio::error_code& error, int signal) {
    if (error) return;
    on_signal(signal);
    wait_for_signal();
  });
}

void DaemonLoop::on_signal(int signal) {
  switch (signal) {
    case SIGHUP:
      return reload();
    case SIGUSR1:
      return reopen_logs();
    case SIGUSR2:
      return dump();
    default:
      return on_stop_signal();
  }
}

/// The first drains, the second ends. One that comes before the first outcome waits a moment for it, so that
/// who started us hears what became of it.
void DaemonLoop::on_stop_signal() {
  const bool is_second = std::exchange(is_stop_asked_, true) || supervisor_.is_shutting_down();
  if (is_ready_ || is_second) return stop(is_second);
  stop_timer_.expires_after(first_outcome_patience);
  stop_timer_.async_wait([this](const asio::error_code& error) {
    if (!error && !supervisor_.is_shutting_down()) stop(false);
  });
}

void DaemonLoop::reload() {
  Logger{"daemon"}.info("reload");
  notifier_.reloading();
  reopen_logs();
  supervisor_.reload_all();
  notifier_.ready("reloaded");
}

void DaemonLoop::reopen_logs() {
  try {
    if (!options_.log_file.empty()) ::dup2(open_log(options_.log_file).get(), STDERR_FILENO);
  } catch (const Error& error) {
    Logger{"daemon"}.error("cannot reopen the log", field("error", error.what()));
  }
  supervisor_.reopen_logs();
}

void DaemonLoop::dump() const {
  for (const std::string& line : supervisor_.dump()) Logger{"daemon"}.info("state", field("of", line));
  if (!store_.problem().empty()) Logger{"daemon"}.info("state", field("registry", store_.problem()));
}

void DaemonLoop::stop(bool now) {
  Logger{"daemon"}.info("stop", field("now", now ? "yes" : "no"));
  notifier_.stopping();
  supervisor_.shut_down(now, [this] { finish(); });
  if (now) return say("stopping now");
  stop_timer_.expires_after(first_drain);  // idle connections are gone by then
  stop_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) say_what_remains();
  });
}

void DaemonLoop::say_what_remains() {
  recorder_.flush(supervisor_.incarnations());
  const auto open = recorder_.active_connections();
  if (open == 0) return say("stopping");
  say("draining, " + std::to_string(open) + (open == 1 ? " connection remains" : " connections remain") +
      " (again to stop now)");
}

void DaemonLoop::say(std::string_view text) const {
  Logger{"daemon"}.info(text);
  if (options_.on_notice) options_.on_notice(text);
}

/// The workers are gone: their last counts, then our own row.
void DaemonLoop::finish() {
  recorder_.flush({});
  seal_audit();
  const bool is_written = store_.write([](Database& db) {
    registry::reset_server_states(db);
    registry::remove_daemon(db);
    registry::add_event(db, "stopped", {}, "daemon", "pid " + std::to_string(::getpid()));
  });
  if (!is_written && ++finish_attempts_ < most_finish_attempts) {
    registry_timer_.expires_after(finish_pause);
    registry_timer_.async_wait([this](const asio::error_code&) { finish(); });
    return;
  }
  store_.checkpoint_if_due();
  lock_.write_holder({});
  is_finished_ = true;
  std::error_code ignored;
  std::filesystem::remove(options_.paths.run_dir, ignored);  // only when it is empty
  io_.stop();
}

}  // namespace arcus::daemon
