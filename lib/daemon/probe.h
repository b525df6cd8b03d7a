#pragma once

#include <asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "lib/base/address.h"

namespace arcus::daemon {

/// What one health check found.
struct ProbeResult {
  bool ok = false;
  std::string error;      ///< why not
  double latency_ms = 0;  ///< from the connect to the worker's reaction
};

/// One real connection to a server's own listener. The worker knows the source port and reacts at once: it
/// answers or closes; a listener that only its accept queue keeps alive does neither.
class Probe {
 public:
  struct Plan {
    Endpoint target;      ///< as bound; wildcards are reached over loopback
    std::string request;  ///< sent after the connect; empty for protocols where the client may wait
    bool tls = false;     ///< finish a handshake instead
    std::chrono::milliseconds timeout{5'000};
    /// Tells the worker of the source port, then calls its argument with "" or what is wrong.
    std::function<void(std::uint16_t port, std::function<void(const std::string&)> then)> announce;
  };

  /// Starts it; `done` is called once, from the event loop.
  static void start(asio::io_context& io, Plan plan, std::function<void(const ProbeResult&)> done);
};

}  // namespace arcus::daemon
