#pragma once

#include <chrono>
#include <cstdint>
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

/// Prints outcomes: one target as `acme/web  running`, several as SERVER ACTION RESULT TIME, machine formats
/// as an array; what failed also on stderr.  Returns the exit code: 0, the code all failures share when
/// nothing went well, else 6.
int report(Context& context, const std::vector<Outcome>& outcomes);

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
  std::chrono::milliseconds limit{30'000};
};

/// Waits until the daemon has applied the generation (and restart_seq, reload_seq) each row carries.  Returns
/// at once with --no-wait and without a daemon.  Shows progress; Ctrl-C ends the waiting only.
std::vector<Outcome> await_servers(Context& context, const std::vector<registry::Server>& servers,
                                   const Wait& wait);

}  // namespace arcus::cli
