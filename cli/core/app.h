#pragma once

#include <string>
#include <vector>

namespace arcus::cli {

/// One invocation: finds the command, reads its arguments, runs it, prints what went wrong.  Returns the exit
/// code.
int run(std::vector<std::string> argv);

}  // namespace arcus::cli
