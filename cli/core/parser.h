#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/core/command.h"

namespace arcus::cli {

/// A command line that holds: every word belongs to an argument and has a value of its type.
struct Parsed {
  Args globals;
  Args args;
  std::string variant;  ///< `http` of `server add http`; "" without variants
};

/// Reads `words` (argv without noun and verb) for `command`.  Throws Error{usage} that names the wrong word,
/// what is nearest, and what to type.
Parsed parse(const Noun& noun, const Command& command, const std::vector<std::string>& words);

/// The arguments of `command`, or of its `variant` ("" = all variants together).
std::vector<const ArgInfo*> arguments_of(const Command& command, std::string_view variant);

/// `arcusctl server add http NAME --backend HOST:PORT [flags]`.
std::string usage_line(const Noun& noun, const Command& command, std::string_view variant);

}  // namespace arcus::cli
