#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "lib/base/time.h"
#include "lib/net/deadline.h"
#include "lib/runtime/server_config.h"
#include "lib/wire/messages.h"

namespace arcus {

class DataThread;

/// The checks of the backends of servers that listen, as their health_type says: connect, TLS handshake, or
/// GET. Every interval (10 % either way), each 2 s while a backend is in question. On one thread for the
/// whole worker; what they find is in the BackendHealth that all threads look at.
class HealthChecks final : private DeadlineHandler {
 public:
  static constexpr std::chrono::milliseconds doubtful{2'000};

  explicit HealthChecks(DataThread& thread) noexcept;
  ~HealthChecks();
  HealthChecks(const HealthChecks&) = delete;
  HealthChecks& operator=(const HealthChecks&) = delete;

  /// The server listens: its backends are checked from now on.
  void watch(std::shared_ptr<const ServerConfig> config);
  /// A newer snapshot of it, if it is watched. A backend that stays keeps its time.
  void renew(const std::shared_ptr<const ServerConfig>& config);
  void unwatch(std::uint64_t server);
  void clear();
  /// Checks everything that is watched at once; `done` is called when the last has ended.
  void check_all(std::function<void()> done);
  /// The last result of each backend that was checked since this was asked last.
  std::vector<wire::BackendStatus> take_results();

 private:
  class Check;
  struct Round;
  using Checks = std::vector<std::unique_ptr<Check>>;

  void on_deadline(Deadline& deadline) override;
  void tick_on();
  void start(Check& check);
  void keep(wire::BackendStatus result) { results_[result.backend_id] = std::move(result); }
  /// A time that is up to a tenth away from `interval`, either way.
  std::chrono::milliseconds jittered(std::chrono::milliseconds interval) noexcept;

  DataThread& thread_;
  std::map<std::uint64_t, Checks> checks_;  ///< by server
  std::map<std::string, wire::BackendStatus> results_;
  Deadline tick_{*this};
  std::uint64_t random_ = 0x9e3779b97f4a7c15;
};

}  // namespace arcus
