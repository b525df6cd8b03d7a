#pragma once

#include <string>

#include "cli/core/context.h"
#include "lib/daemon/daemon.h"

/// Starting and finding the daemon; for `run`, `serve` and `daemon`.
namespace arcus::cli {

/// The paths of the registry in use.
daemon::Paths daemon_paths(Context& context);

/// Options for the registry in use: paths, version, log level; the rest at its defaults.
daemon::RunOptions default_run_options(Context& context);

/// Starts a daemon in a session of its own and waits until every server had its first outcome. Prints what it
/// says; returns the exit code: 0 all run (or a daemon runs already), 6 some do not, 1 with `strict` (it is
/// gone then). Throws Error when it did not start.
int start_detached(Context& context, daemon::RunOptions options, bool strict);

/// Closes every descriptor but the standard three: what the caller left open is not the daemon's to keep.
/// Call it before anything is opened.
void close_inherited() noexcept;

/// Makes the default registry when it is missing; for one that was named that is an error.
void ensure_registry(Context& context);

}  // namespace arcus::cli
