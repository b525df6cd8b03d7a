#include "lib/daemon/health_poller.h"

#include <algorithm>

#include "lib/base/log.h"

namespace arcus::daemon {

static constexpr std::size_t most_at_once = 64;
static constexpr std::chrono::hours certificate_notice{30 * 24};

Verdict judge(const HealthTarget& target, const ProbeResult& probe, std::int64_t active_connections) {
  if (!probe.ok) return {"unhealthy", probe.error};
  if (target.backends > 0 && target.backends_down == target.backends)
    return {"degraded", "all backends are down"};
  if (target.backends_down > 0)
    return {"degraded", std::to_string(target.backends_down) + " of " + std::to_string(target.backends) +
                            " backends are down"};
  if (target.max_connections > 0 && active_connections * 10 > target.max_connections * 9)
    return {"degraded", std::to_string(active_connections) + " of " + std::to_string(target.max_connections) +
                            " connections are in use"};
  if (target.certificate_end && *target.certificate_end - wall_now() < certificate_notice) {
    const bool is_over = *target.certificate_end <= wall_now();
    return {"degraded", std::string("its certificate ") + (is_over ? "expired" : "expires") + " on " +
                            to_text(*target.certificate_end).substr(0, 10)};
  }
  return {"healthy", ""};
}

/// What a client of that protocol would say first; the others close a known probe without a word.
static std::string request_of(const HealthTarget& target) {
  if (target.type != "http") return {};
  return "OPTIONS * HTTP/1.1\r\nHost: " + target.address.to_string() + "\r\nConnection: close\r\n\r\n";
}

HealthPoller::HealthPoller(asio::io_context& io, Supervisor& supervisor, const Recorder& recorder,
                           Write write)
    : io_{io}, supervisor_{supervisor}, recorder_{recorder}, write_{std::move(write)} {}

HealthPoller::~HealthPoller() = default;

void HealthPoller::start_round(bool only_new, std::function<void()> done) {
  if (done) on_done_.push_back(std::move(done));
  if (is_running_) return;
  const auto targets = supervisor_.health_targets();
  std::erase_if(results_, [&targets](const auto& entry) {
    return !std::ranges::any_of(targets,
                                [&entry](const HealthTarget& target) { return target.id == entry.first; });
  });
  for (const HealthTarget& target : targets)
    if (!only_new || !results_.contains(target.id) || checked_run_[target.id] != target.running_since)
      waiting_.push_back(target);
  if (waiting_.empty() && on_done_.empty()) return;
  is_running_ = true;
  start_next();
}

void HealthPoller::start_next() {
  while (!waiting_.empty() && under_way_ < most_at_once) {
    const HealthTarget target = std::move(waiting_.front());
    waiting_.pop_front();
    ++under_way_;
    Probe::Plan plan{.target = target.address, .request = request_of(target), .tls = target.tls};
    plan.announce = [this, alive = std::weak_ptr{alive_}, id = target.id](
                        std::uint16_t port, std::function<void(const std::string&)> then) {
      if (!alive.expired()) supervisor_.announce_probe(id, port, std::move(then));
    };
    Probe::start(io_, std::move(plan),
                 [this, alive = std::weak_ptr{alive_}, target](const ProbeResult& result) {
                   if (!alive.expired()) finish(target, result);
                 });
  }
  if (under_way_ == 0) finish_round();
}

void HealthPoller::finish(const HealthTarget& target, const ProbeResult& probe) {
  --under_way_;
  if (!probe.ok && !supervisor_.still_runs(target)) return start_next();  // it was told to stop meanwhile
  const auto verdict = judge(target, probe, recorder_.active_connections(target.id));
  registry::HealthResult& result = results_[target.id];
  const bool is_worth_a_line = !result.health.empty() || verdict.health != "healthy";
  if (result.health != verdict.health && is_worth_a_line)
    Logger{"health"}.info("health changed", field("server", target.reference) +
                                                field("health", verdict.health) +
                                                field("detail", verdict.detail));
  result.server_id = target.id;
  result.health = verdict.health;
  result.detail = verdict.detail.empty() ? std::nullopt : std::optional{verdict.detail};
  result.latency_ms = probe.ok ? std::optional{probe.latency_ms} : std::nullopt;
  result.consecutive_failures = probe.ok ? 0 : result.consecutive_failures + 1;
  checked_run_[target.id] = target.running_since;
  round_.push_back(result);
  start_next();
}

void HealthPoller::finish_round() {
  is_running_ = false;
  if (!round_.empty()) write_(round_);
  round_.clear();
  const auto callbacks = std::move(on_done_);
  on_done_.clear();
  for (const auto& done : callbacks) done();
}

}  // namespace arcus::daemon
