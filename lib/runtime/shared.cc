#include "lib/runtime/shared.h"

#include <chrono>

#include "lib/runtime/thread.h"

namespace arcus {

/// Longer than a health check waits.
static constexpr std::chrono::seconds probe_patience{10};

WorkerShared::WorkerShared(std::function<void(std::function<void()>)> run_on_main, std::size_t idle_upstreams)
    : run_on_main_(std::move(run_on_main)), idle_upstreams_(idle_upstreams) {}

WorkerShared::~WorkerShared() = default;

DataThread& WorkerShared::place_for_connection(DataThread& here) noexcept {
  const std::size_t count = threads_.size();
  if (count < 2) return here;
  std::int64_t total = 0;
  for (const auto& thread : threads_) total += thread->load();
  const auto mean = total / static_cast<std::int64_t>(count);
  // A little above is not worth a wake-up of the other thread.
  if (here.load() <= mean + mean / 8 + 1) return here;
  const std::uint32_t ticket = random_.fetch_add(0x9e3779b1, std::memory_order_relaxed);
  DataThread& one = *threads_[ticket % count];
  DataThread& other = *threads_[(ticket / count) % count];
  DataThread& lighter = one.load() <= other.load() ? one : other;
  return lighter.load() < here.load() ? lighter : here;
}

void WorkerShared::report(std::string kind, std::string server_id, std::string detail) {
  wire::Event event{.kind = std::move(kind), .server_id = std::move(server_id), .detail = std::move(detail)};
  run_on_main([this, event = std::move(event)] {
    if (reporter_) reporter_(event);
  });
}

void WorkerShared::expect_probe(std::uint64_t server, std::uint16_t port) {
  const std::lock_guard lock(probes_mutex_);
  if (probes_.size() > 1024) probes_.clear();
  probes_.insert_or_assign({server, port}, std::chrono::steady_clock::now() + probe_patience);
  probe_count_.store(probes_.size(), std::memory_order_relaxed);
}

bool WorkerShared::take_probe(std::uint64_t server, std::uint16_t port) {
  if (probe_count_.load(std::memory_order_relaxed) == 0) return false;
  const std::lock_guard lock(probes_mutex_);
  const auto found = probes_.find({server, port});
  const bool expected = found != probes_.end() && std::chrono::steady_clock::now() < found->second;
  if (found != probes_.end()) probes_.erase(found);
  probe_count_.store(probes_.size(), std::memory_order_relaxed);
  return expected;
}

}  // namespace arcus
