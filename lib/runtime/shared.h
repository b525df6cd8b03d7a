#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/runtime/authenticator.h"
#include "lib/runtime/listener.h"
#include "lib/runtime/memory_budget.h"
#include "lib/runtime/tallies.h"
#include "lib/wire/messages.h"

namespace arcus {

class DataThread;

/// What all threads of a worker share.
class WorkerShared {
 public:
  /// `run_on_main` runs a task on the main thread; called by any thread. `idle_upstreams` is how many idle
  /// upstream connections each data thread may keep.
  WorkerShared(std::function<void(std::function<void()>)> run_on_main, std::size_t idle_upstreams);
  ~WorkerShared();

  void run_on_main(std::function<void()> task) { run_on_main_(std::move(task)); }
  /// Tells the daemon (wire::Event) from any thread.
  void report(std::string kind, std::string server_id, std::string detail);
  void set_reporter(std::function<void(const wire::Event&)> reporter) { reporter_ = std::move(reporter); }
  std::size_t idle_upstreams() const noexcept { return idle_upstreams_; }

  /// Fixed before the threads run.
  std::span<const std::unique_ptr<DataThread>> threads() const noexcept { return threads_; }
  std::vector<std::unique_ptr<DataThread>>& make_threads() noexcept { return threads_; }
  /// Where a connection accepted on `here` should live: `here`, unless that is clearly above the mean.
  DataThread& place_for_connection(DataThread& here) noexcept;

  ReserveDescriptor& reserve() noexcept { return reserve_; }
  Authenticator& authenticator() noexcept { return authenticator_; }
  Tallies& tallies() noexcept { return tallies_; }
  MemoryBudget& memory() noexcept { return memory_; }

  /// A thread got its first connections: how long events wait there is measured from now on.
  void note_load() {
    if (!sampling_.load(std::memory_order_relaxed) && !sampling_.exchange(true))
      run_on_main_(start_sampling_);
  }
  /// A thread refused somebody for the first time since the daemon was told last.
  void note_refusal() {
    if (!telling_.exchange(true)) run_on_main_(tell_refusals_);
  }
  /// `tell` runs on the main thread, once until end_telling().
  void set_teller(std::function<void()> tell) { tell_refusals_ = std::move(tell); }
  void end_telling() noexcept { telling_.store(false); }
  void set_sampler(std::function<void()> start) { start_sampling_ = std::move(start); }
  void end_sampling() noexcept { sampling_.store(false); }

  /// The next connection to `server` from `port` is the daemon's own.
  void expect_probe(std::uint64_t server, std::uint16_t port);
  /// True once for an expected probe.
  bool take_probe(std::uint64_t server, std::uint16_t port);

 private:
  std::function<void(std::function<void()>)> run_on_main_;
  std::function<void(const wire::Event&)> reporter_;  ///< runs on the main thread
  std::function<void()> start_sampling_ = [] {};      ///< so does this
  std::atomic<bool> sampling_{false};
  std::function<void()> tell_refusals_ = [] {};  ///< and this
  std::atomic<bool> telling_{false};
  std::size_t idle_upstreams_;
  std::vector<std::unique_ptr<DataThread>> threads_;
  ReserveDescriptor reserve_;
  Tallies tallies_;
  MemoryBudget memory_;
  Authenticator authenticator_;  ///< speaks to the threads: ends before them
  std::atomic<std::uint32_t> random_{1};
  std::atomic<std::size_t> probe_count_{0};
  std::mutex probes_mutex_;
  std::map<std::pair<std::uint64_t, std::uint16_t>, SteadyTime> probes_;  ///< and until when
};

}  // namespace arcus
