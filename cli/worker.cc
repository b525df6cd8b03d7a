#include "lib/runtime/worker.h"
#include "cli/core/context.h"
#include "proxies/protocols.h"

namespace arcus::cli {
namespace {

/// The descriptor on which the daemon hands over its end of the channel.
constexpr int channel_fd = 3;

int run(Context&, const Args&) { return run_worker(channel_fd, protocols()); }

constexpr Command commands[] = {
    {"", "the data plane; started by the daemon", {}, run, {.hidden = true, .needs_db = false}},
};

}  // namespace

extern const Noun worker_noun;
constinit const Noun worker_noun{"worker", "the data plane; started by the daemon", Group::hidden, commands};

}  // namespace arcus::cli
