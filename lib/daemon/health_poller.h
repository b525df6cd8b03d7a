#pragma once

#include <asio/io_context.hpp>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lib/daemon/probe.h"
#include "lib/daemon/recorder.h"
#include "lib/daemon/supervisor.h"

namespace arcus::daemon {

/// "healthy", "degraded" or "unhealthy", and the sentence that goes with it ("" when healthy).
struct Verdict {
  std::string health;
  std::string detail;
};
Verdict judge(const HealthTarget& target, const ProbeResult& probe, std::int64_t active_connections);

/// Polls the listener of every running server.
class HealthPoller {
 public:
  using Write = std::function<void(const std::vector<registry::HealthResult>&)>;

  /// `write` puts the results of a round into the registry.
  HealthPoller(asio::io_context& io, Supervisor& supervisor, const Recorder& recorder, Write write);
  ~HealthPoller();

  /// Checks every running server, or with `only_new` those that were not checked since they run. A round that
  /// is under way goes on alone. `done` is called after the results are written.
  void start_round(bool only_new, std::function<void()> done = {});

  /// A server that is not in here was not checked since it runs.
  const std::map<std::string, registry::HealthResult>& results() const noexcept { return results_; }

 private:
  void start_next();
  void finish(const HealthTarget& target, const ProbeResult& probe);
  void finish_round();

  asio::io_context& io_;
  Supervisor& supervisor_;
  const Recorder& recorder_;
  Write write_;
  std::deque<HealthTarget> waiting_;
  std::size_t under_way_ = 0;
  bool is_running_ = false;
  std::vector<registry::HealthResult> round_;
  std::vector<std::function<void()>> on_done_;
  std::map<std::string, registry::HealthResult> results_;
  std::map<std::string, std::string> checked_run_;  ///< since when the server ran that `results_` is about
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace arcus::daemon
