#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>

#include "cli/core/context.h"
#include "cli/launch.h"
#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/base/unique_fd.h"
#include "lib/daemon/control_client.h"
#include "lib/db/database.h"
#include "lib/registry/observed.h"
#include "lib/registry/settings.h"

namespace arcus::cli {
namespace {

using std::chrono::milliseconds;

/// The daemon's process, held by descriptor: the number cannot come to mean another one.
struct Process {
  int pid = 0;
  UniqueFd fd;
};

std::optional<Process> find_process(Context& context) {
  const auto holder = daemon::find_running_daemon(context.db_path());
  if (!holder) return std::nullopt;
  if (holder->pid <= 0) throw Error{ErrorKind::failed, "a daemon runs, but does not say its pid"};
  Process process{.pid = holder->pid,
                  .fd = UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, holder->pid, 0))}};
  const auto again = find_run_holder(context.db_path());
  if (!again) return std::nullopt;
  if (!process.fd || again->pid != process.pid)
    throw Error{ErrorKind::failed, "the daemon changed under our eyes"};
  return process;
}

void send_signal(const Process& process, int signal) {
  if (::syscall(SYS_pidfd_send_signal, process.fd.get(), signal, nullptr, 0) == 0 || errno == ESRCH) return;
  throw system_error("cannot signal the daemon (pid " + std::to_string(process.pid) + ")", errno);
}

bool has_ended(const Process& process, milliseconds wait) {
  pollfd waiting{.fd = process.fd.get(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(wait.count())) > 0;
}

Error no_daemon() {
  return Error{ErrorKind::no_daemon, "no daemon runs for this registry"}.with_hint("arcusctl run -d");
}

Process get_process(Context& context) {
  auto process = find_process(context);
  if (!process) throw no_daemon();
  return std::move(*process);
}

namespace status {

constexpr Column columns[] = {
    {"pid", "PID"},
    {"version", "VERSION"},
    {"started_at", "UP", Show::table, Unit::age},
    {"heartbeat_at", "HEARTBEAT", Show::table, Unit::time},
    {"servers", "SERVERS"},
    {"running", "RUNNING"},
    {"error", "ERROR"},
    {"rss_bytes", "RSS", Show::table, Unit::bytes},
    {"cpu_ms", "CPU", Show::table, Unit::ms},
    {"open_fds", "FDS", Show::table, Unit::count},
    {"socket_path", "SOCKET", Show::wide},
    {"run_dir", "RUN_DIR", Show::wide},
    {"log_dir", "LOG_DIR", Show::wide},
};

int run(Context& context, const Args&) {
  context.db();
  if (!context.daemon_runs()) throw no_daemon();
  const auto row = registry::find_daemon(context.db());
  if (!row) throw Error{ErrorKind::no_daemon, "the daemon is starting"};
  std::int64_t total = 0;
  std::int64_t running = 0;
  std::int64_t error = 0;
  for (const auto& server : registry::list_servers(context.db())) {
    const auto state = registry::server_state(context.db(), server.id);
    ++total;
    running += state.status == "running" ? 1 : 0;
    error += state.status == "error" ? 1 : 0;
  }
  Table table{columns};
  table.add(row->pid, row->version, row->started_at, row->heartbeat_at, total, running, error, row->rss_bytes,
            row->cpu_ms, row->open_fds, row->socket_path, row->run_dir, row->log_dir);
  context.out().object(table);
  return exit_code::ok;
}

}  // namespace status

int run_start(Context& context, const Args&) {
  close_inherited();
  return start_detached(context, default_run_options(context), false);
}

namespace stop {

constexpr Arg<bool> now{"--now", "do not wait for connections to end"};
constexpr const ArgInfo* signature[] = {&now};
constexpr milliseconds again{100};

/// How long a drain may take: the setting and 5 s, unless --timeout says otherwise.
milliseconds limit(Context& context) {
  try {
    return registry::load_settings(context.db()).drain_timeout + std::chrono::seconds{5};
  } catch (const Error&) {
    return std::chrono::seconds{35};  // the file is damaged: that must not keep the daemon alive
  }
}

void end(Context& context, const Process& process, bool at_once) {
  const auto deadline = context.deadline(limit(context));
  send_signal(process, SIGTERM);
  while (!has_ended(process, again)) {
    if (at_once) send_signal(process, SIGTERM);  // the second one means now
    if (std::chrono::steady_clock::now() < deadline) continue;
    throw Error{ErrorKind::timeout, "the daemon (pid " + std::to_string(process.pid) + ") still drains"}
        .with_hint("arcusctl daemon stop --now");
  }
}

int run(Context& context, const Args& args) {
  const auto process = find_process(context);
  if (!process) {
    context.out().line("not running");
    return exit_code::ok;
  }
  end(context, *process, args[now]);
  context.out().line("stopped, pid " + std::to_string(process->pid));
  return exit_code::ok;
}

}  // namespace stop

int run_restart(Context& context, const Args& args) {
  close_inherited();
  if (const auto process = find_process(context)) stop::end(context, *process, args[stop::now]);
  return start_detached(context, default_run_options(context), false);
}

/// Over the socket, so that it is done when we return; by signal when there is no socket.
int tell(Context& context, std::string_view command, int signal, std::string_view done) {
  const Process process = get_process(context);
  try {
    daemon::control_call(daemon_paths(context).socket, command);
  } catch (const Error&) {
    send_signal(process, signal);
  }
  context.out().line(done);
  return exit_code::ok;
}

int run_reload(Context& context, const Args&) { return tell(context, "reload", SIGHUP, "reloaded"); }
int run_reopen(Context& context, const Args&) { return tell(context, "reopen", SIGUSR1, "logs reopened"); }

constexpr std::string_view unit_text = R"([Unit]
Description=Arcus proxy servers
Documentation=man:arcusctl(1) man:arcusctl-run(1)
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart=@EXEC@ --db @DB@ run
ExecReload=@EXEC@ --db @DB@ daemon reload
TimeoutStopSec=45
WatchdogSec=30
Restart=on-failure
User=arcus
Group=arcus
UMask=0027
StateDirectory=arcus
StateDirectoryMode=0770
RuntimeDirectory=arcus
RuntimeDirectoryMode=0700
LogsDirectory=arcus
LogsDirectoryMode=0750
LimitNOFILE=1048576
LimitCORE=0
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service @sandbox
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
)";

int run_unit(Context& context, const Args&) {
  std::error_code error;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", error);
  std::string text{unit_text};
  const std::array<std::pair<std::string_view, std::string>, 2> values{
      {{"@EXEC@", error ? "/usr/bin/arcusctl" : program}, {"@DB@", context.db_path()}}};
  for (const auto& [mark, value] : values)
    for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + value.size()))
      text.replace(at, mark.size(), value);
  context.out().raw(text);
  return exit_code::ok;
}

constexpr Example unit_examples[] = {
    {"arcusctl daemon unit > /etc/systemd/system/arcus.service", "let systemd start and watch it"}};

constexpr Command commands[] = {
    {"status", "the daemon's pid, age and load", {}, status::run, {.columns = status::columns}},
    {"start", "as `run -d`", {}, run_start, {.needs_db = false}},
    {"stop", "drain, then end it", stop::signature, stop::run, {.waits = true}},
    {"restart", "stop, then start it", stop::signature, run_restart, {.waits = true}},
    {"reload", "apply everything anew: certificates, settings, logs", {}, run_reload},
    {"reopen-logs", "after the log files were moved away", {}, run_reopen},
    {"unit", "print a systemd unit", {}, run_unit, {.needs_db = false, .examples = unit_examples}},
};

}  // namespace

extern const Noun daemon_noun;
constinit const Noun daemon_noun{"daemon", "the process that makes the registry true", Group::operate,
                                 commands};

}  // namespace arcus::cli
