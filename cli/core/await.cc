#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "cli/core/context.h"
#include "cli/core/results.h"
#include "lib/base/error.h"
#include "lib/db/database.h"

namespace arcus::cli {
namespace {

constexpr std::chrono::milliseconds poll_interval{10};
constexpr std::chrono::milliseconds daemon_check{500};

void tell_and_end(int signal) {
  static constexpr char text[] = "\narcusctl: no longer waiting; the daemon goes on\n";
  // Nothing can be done about a stderr that is gone.
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, sizeof text - 1);
  ::_exit(128 + signal);
}

/// While it lives, Ctrl-C ends the waiting with a word about the daemon.
class InterruptNotice {
 public:
  InterruptNotice() {
    struct sigaction action {};
    action.sa_handler = tell_and_end;
    ::sigaction(SIGINT, &action, &interrupt_);
    ::sigaction(SIGTERM, &action, &terminate_);
  }
  ~InterruptNotice() {
    ::sigaction(SIGINT, &interrupt_, nullptr);
    ::sigaction(SIGTERM, &terminate_, nullptr);
  }
  InterruptNotice(const InterruptNotice&) = delete;
  InterruptNotice& operator=(const InterruptNotice&) = delete;

 private:
  struct sigaction interrupt_ {};
  struct sigaction terminate_ {};
};

Outcome outcome_of(const registry::Server& server, const Wait& wait) {
  return {.id = server.id, .tenant = server.tenant, .name = server.name, .action = wait.action};
}

bool is_final(std::string_view status) {
  return status == "running" || status == "stopped" || status == "error";
}

bool has_applied(const registry::Server& server, const registry::ServerState& state) {
  return state.observed_generation >= server.generation && state.observed_restart_seq >= server.restart_seq &&
         state.observed_reload_seq >= server.reload_seq && is_final(state.status);
}

/// What the daemon made of `server`: fills status, code, error.
void judge(Outcome& outcome, const registry::ServerState& state, const Wait& wait) {
  outcome.status = state.status;
  if (state.status == "error") {
    outcome.code = exit_code::failed;
    outcome.error =
        "did not start: " + state.last_error.value_or(state.status_reason.value_or("no reason given"));
  } else if (state.last_error && state.status == "running") {
    outcome.code = exit_code::failed;
    outcome.error = "still runs its former configuration: " + *state.last_error;
  } else if (wait.until == Until::running && state.status != "running") {
    outcome.code = exit_code::failed;
    outcome.error = "is " + state.status + (state.status_reason ? ": " + *state.status_reason : "");
  }
  if (outcome.code != exit_code::ok)
    outcome.hint = "arcusctl server show " + outcome.tenant + "/" + outcome.name;
}

/// The rows that a missing daemon or --no-wait leaves: the wish is recorded, nothing is known.
std::vector<Outcome> not_waited(const std::vector<registry::Server>& servers, const Wait& wait,
                                bool no_daemon) {
  std::vector<Outcome> outcomes;
  for (const registry::Server& server : servers) {
    Outcome outcome = outcome_of(server, wait);
    outcome.status = no_daemon ? "stopped" : "recorded";
    if (no_daemon && wait.needs_daemon) {
      outcome.code = exit_code::no_daemon;
      outcome.error = "is recorded, but no daemon runs";
      outcome.hint = "arcusctl run -d";
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace

std::vector<Outcome> await_servers(Context& context, const std::vector<registry::Server>& servers,
                                   const Wait& wait) {
  if (!context.settings().wait) return not_waited(servers, wait, false);
  if (!context.daemon_runs()) {
    if (!wait.needs_daemon) context.note("no daemon runs: it will be so when one does (arcusctl run -d)");
    return not_waited(servers, wait, true);
  }
  const auto started = std::chrono::steady_clock::now();
  const auto deadline = context.deadline(wait.limit);
  auto next_check = started + daemon_check;
  const InterruptNotice notice;
  Progress progress{context, wait.action, servers.size()};
  std::vector<Outcome> outcomes;
  for (const registry::Server& server : servers) outcomes.push_back(outcome_of(server, wait));
  std::vector<std::size_t> open(servers.size());
  for (std::size_t i = 0; i < open.size(); ++i) open[i] = i;

  std::size_t failed = 0;
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    const bool late = now >= deadline;
    const bool dead = now >= next_check && !context.daemon_runs();
    if (now >= next_check) next_check = now + daemon_check;
    std::erase_if(open, [&](std::size_t i) {
      const registry::ServerState state = registry::server_state(context.db(), servers[i].id);
      Outcome& outcome = outcomes[i];
      const bool done = has_applied(servers[i], state);
      if (done)
        judge(outcome, state, wait);
      else if (dead || late) {
        outcome.status = state.status;
        outcome.code = dead ? exit_code::no_daemon : exit_code::timeout;
        outcome.error =
            dead ? "is not settled: the daemon died while we waited" : "is not settled: the time is over";
        outcome.hint =
            dead ? "arcusctl run -d" : "arcusctl server show " + outcome.tenant + "/" + outcome.name;
      } else
        return false;
      outcome.took = std::chrono::duration_cast<std::chrono::milliseconds>(now - started);
      failed += outcome.code != exit_code::ok ? 1U : 0U;
      return true;
    });
    if (open.empty()) return outcomes;
    progress.update(servers.size() - open.size(), failed);
    std::this_thread::sleep_for(poll_interval);
  }
}

}  // namespace arcus::cli
