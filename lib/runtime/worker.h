#pragma once

#include <span>

namespace arcus {

struct Protocol;

/// The data plane process: serves what the daemon says over `channel_fd` (a socketpair end, taken over) until
/// the daemon says drain, closes the channel or a signal comes. Returns the exit status. `protocols` is the
/// table of proxies/protocols.h.
int run_worker(int channel_fd, std::span<const Protocol* const> protocols);

}  // namespace arcus
