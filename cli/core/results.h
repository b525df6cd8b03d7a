#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/core/targets.h"

namespace arcus::cli {

class Context;

/// How one target of a mutating verb ended.
struct Outcome {
  Target target;
  std::string action;  ///< "start"
  int code = 0;        ///< exit_code of this target alone
  std::string status;  ///< running, stopped, removed, ...: the word under RESULT
  std::string error;   ///< sentence, empty when it went well
  std::string hint;
  std::chrono::milliseconds took{0};
};

/// Prints outcomes: one target as a sentence (`acme/web running`), several as SERVER ACTION RESULT TIME,
/// machine formats as an array; errors also on stderr.  Returns the exit code: 0, the code of a single failed
/// target or of all when they agree, else 6.
int report(Context& context, const std::vector<Outcome>& outcomes);

/// A server whose generation the daemon has to reach.
struct Awaited {
  Target target;
  std::int64_t generation = 0;
};

/// What waiting is for.
enum class Until : std::uint8_t { applied, running, stopped };

/// Waits until the daemon has applied each generation (observed_generation >= it, with a final status), at
/// most until the deadline of `context`.  Without a daemon: `needs_daemon` verbs get code 5 (0 with
/// --no-wait), the others 0 and a note.  With --no-wait nothing is waited for.
std::vector<Outcome> await_servers(Context& context, std::vector<Awaited> servers, std::string_view action,
                                   Until until, bool needs_daemon, std::chrono::milliseconds limit);

}  // namespace arcus::cli
