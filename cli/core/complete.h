#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/core/args.h"
#include "cli/core/command.h"

namespace arcus::cli {

/// The hidden first word by which the shells ask: `arcusctl __complete -- WORDS`, the last word is the one at
/// the cursor.
inline constexpr std::string_view complete_word = "__complete";

/// One word to offer and a line about it.
struct Candidate {
  std::string word;
  std::string about;
};

/// What is known at the cursor.
struct Cursor {
  const Noun* noun = nullptr;
  const Command* command = nullptr;
  std::string variant;            ///< `http` of `server add http`
  std::vector<std::string> bare;  ///< words before the cursor that belong to no option
  std::string word;               ///< at the cursor, perhaps empty
  std::string db;                 ///< --db so far
  std::string tenant;             ///< -t so far
};

/// Everything that could stand for a value of `info` here; prefixes are filtered by the caller.  Reads the
/// registry at most; never waits longer than 200 ms, never creates anything, gives nothing when anything is
/// wrong.
std::vector<Candidate> values_of(const ArgInfo& info, const Cursor& cursor);

/// All candidates and the last line, a directive: `:files`, `:dirs`, `:nospace` or `:`.
std::string completion(const std::vector<std::string>& words);

/// `__complete` itself; always 0.
int complete(const std::vector<std::string>& argv);

}  // namespace arcus::cli
