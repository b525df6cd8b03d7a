#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "lib/registry/servers.h"

namespace arcus::cli {

class Context;

/// How one target of a mutating verb ended.
struct Outcome {
  std::string id;
  std::string tenant;
  std::string name;
  std::string action;  ///< "start"
  int code = 0;        ///< exit code of this target alone
  std::string status;  ///< running, stopped, removed, ...: the word under RESULT
  std::string error;   ///< sentence, empty when it went well
  std::string hint;
  std::chrono::milliseconds took{0};
};

/// Says how the targets of a mutating verb ended: one as `acme/web  running`, several as SERVER ACTION RESULT
/// TIME, machine formats as rows.  On a pipe a row goes out when its target has ended, but a JSON array waits
/// for the last; on a terminal a long operation leaves one line of sums.
class Report {
 public:
  /// `names`: of everything it will be about, as the rows say them.
  Report(Context& context, const std::vector<std::string>& names);
  Report(Context& context, const std::vector<registry::Server>& servers);

  /// These have ended: their rows go out, if they may go out one by one.
  void ended(const std::vector<Outcome>& some);
  /// That was all: prints the rows that are not out yet, and what failed on stderr.  Returns the exit code:
  /// 0, the code all failures share when nothing went well, else 6.
  int finish(const std::vector<Outcome>& all);

 private:
  [[nodiscard]] bool is_streaming() const;
  [[nodiscard]] bool is_summed(const std::vector<Outcome>& all) const;
  void print_rows(const std::vector<Outcome>& rows);
  void print_sums(const std::vector<Outcome>& all);

  Context& context_;
  std::size_t count_;
  std::size_t width_ = 0;  ///< of the widest name
  std::set<std::string> printed_;
};

/// A Report about what has ended already.
int report(Context& context, const std::vector<Outcome>& outcomes);

/// Waits until the daemon has what rows beside `servers` say now (rules, users); returns the exit code, and
/// prints only what failed. Nothing to wait for with --dry-run and without a daemon.
int settle_parts(Context& context, const std::vector<registry::Server>& servers, std::string_view action);

/// What waiting is for.
enum class Until : std::uint8_t {
  settled,  ///< the generation was applied and the status is running, stopped or error
  running,
  stopped
};

/// How to wait.
struct Wait {
  std::string action;
  Until until = Until::settled;
  bool needs_daemon = false;  ///< without one: code 5 (start, restart, reload), else 0 and a note
  std::chrono::milliseconds limit{30'000};  ///< unless --timeout says another
  std::chrono::milliseconds margin{0};      ///< on top of either
};

/// Called with every outcome once, as they come; may change them.
using OnEnded = std::function<void(std::vector<Outcome>& some)>;

/// Waits until the daemon has applied the generation (and restart_seq, reload_seq) each row carries.  Returns
/// at once with --no-wait and without a daemon.  Shows progress; Ctrl-C ends the waiting only.  The outcomes
/// come back in the order of `servers`.
std::vector<Outcome> await_servers(Context& context, const std::vector<registry::Server>& servers,
                                   const Wait& wait, const OnEnded& on_ended = {});

}  // namespace arcus::cli
