#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
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

/// Why one that has not settled is waited for no longer.
enum class GiveUp : std::uint8_t { no, daemon_died, late };

/// Somebody removed it while we waited: no generation of it will ever be applied.
void judge_removed(Outcome& outcome, const Wait& wait) {
  outcome.status = "removed";
  if (wait.until == Until::stopped) return;
  outcome.code = exit_code::not_found;
  outcome.error = "was removed while we waited";
}

bool has_ended(Outcome& outcome, Database& db, const registry::Server& server, const Wait& wait,
               GiveUp give_up) {
  const registry::ServerState state = registry::server_state(db, server.id);
  if (state.status_since.empty() && !registry::find_server(db, server.id)) {
    judge_removed(outcome, wait);
    return true;
  }
  if (has_applied(server, state)) {
    judge(outcome, state, wait);
    return true;
  }
  if (give_up == GiveUp::no) return false;
  const bool late = give_up == GiveUp::late;
  outcome.status = state.status;
  outcome.code = late ? exit_code::timeout : exit_code::no_daemon;
  outcome.error =
      late ? "is not settled: the time is over" : "is not settled: the daemon died while we waited";
  outcome.hint = late ? "arcusctl server show " + outcome.tenant + "/" + outcome.name : "arcusctl run -d";
  return true;
}

/// Servers on the way to where they were told to go.
class Waiting {
 public:
  Waiting(Context& context, const std::vector<registry::Server>& servers, const Wait& wait)
      : context_{context}, servers_{servers}, wait_{wait}, open_(servers.size()) {
    for (const registry::Server& server : servers) outcomes_.push_back(outcome_of(server, wait));
    std::iota(open_.begin(), open_.end(), std::size_t{0});
  }

  /// Looks at all that are open; those that have ended go to `on_ended` and are open no longer.
  void look(GiveUp give_up, const OnEnded& on_ended) {
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - started_);
    std::vector<std::size_t> ended;
    std::erase_if(open_, [&](std::size_t i) {
      if (!has_ended(outcomes_[i], context_.db(), servers_[i], wait_, give_up)) return false;
      outcomes_[i].took = took;
      failed_ += outcomes_[i].code != exit_code::ok ? 1U : 0U;
      ended.push_back(i);
      return true;
    });
    if (ended.empty() || !on_ended) return;
    std::vector<Outcome> some;
    for (const std::size_t i : ended) some.push_back(outcomes_[i]);
    on_ended(some);
    for (std::size_t k = 0; k < ended.size(); ++k) outcomes_[ended[k]] = std::move(some[k]);
  }

  [[nodiscard]] bool is_over() const { return open_.empty(); }
  [[nodiscard]] std::size_t done() const { return servers_.size() - open_.size(); }
  [[nodiscard]] std::size_t failed() const { return failed_; }
  std::vector<Outcome> take() { return std::move(outcomes_); }

 private:
  Context& context_;
  const std::vector<registry::Server>& servers_;
  const Wait& wait_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::vector<Outcome> outcomes_;
  std::vector<std::size_t> open_;  ///< indices of those that have not ended
  std::size_t failed_ = 0;
};

}  // namespace

std::vector<Outcome> await_servers(Context& context, const std::vector<registry::Server>& servers,
                                   const Wait& wait, const OnEnded& on_ended) {
  const bool no_daemon = context.settings().wait && !context.daemon_runs();
  if (no_daemon && !wait.needs_daemon)
    context.note("no daemon runs: it will be so when one does (arcusctl run -d)");
  if (no_daemon || !context.settings().wait) {
    std::vector<Outcome> outcomes = not_waited(servers, wait, no_daemon);
    if (on_ended) on_ended(outcomes);
    return outcomes;
  }
  const auto deadline = context.deadline(wait.limit) + wait.margin;
  auto next_check = std::chrono::steady_clock::now() + daemon_check;
  const InterruptNotice notice;
  Progress progress{context, wait.action, servers.size()};
  Waiting waiting{context, servers, wait};
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    const bool dead = now >= next_check && !context.daemon_runs();
    if (now >= next_check) next_check = now + daemon_check;
    waiting.look(dead ? GiveUp::daemon_died : now >= deadline ? GiveUp::late : GiveUp::no, on_ended);
    if (waiting.is_over()) return waiting.take();
    progress.update(waiting.done(), waiting.failed());
    std::this_thread::sleep_for(poll_interval);
  }
}

int settle_parts(Context& context, const std::vector<registry::Server>& servers, std::string_view action) {
  if (context.dry_run() || servers.empty() || !context.daemon_runs()) return exit_code::ok;
  std::vector<Outcome> failed;
  for (Outcome& outcome : await_servers(context, servers, {.action = std::string{action}}))
    // One that does not run has no use for them; one that goes on with its former configuration has the old.
    if (outcome.code != exit_code::ok &&
        (outcome.status != "error" || registry::server_state(context.db(), outcome.id).bound_port))
      failed.push_back(std::move(outcome));
  return failed.empty() ? exit_code::ok : report(context, failed);
}

}  // namespace arcus::cli
