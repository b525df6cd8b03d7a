#pragma once

#include "cli/core/context.h"

namespace arcus::cli {

/// Runs `context`'s command again and again (-w): on a terminal the screen is repainted, elsewhere each
/// object that is new or differs from the last round is printed as one JSON line.  Ends by a signal only.
int watch(const Noun& noun, const Command& command, const Settings& settings, const Args& args);

}  // namespace arcus::cli
