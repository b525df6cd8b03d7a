#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/unique_fd.h"

namespace arcus {

/// One tenant's access log: data threads add lines to bounded queues, the main thread writes them out in
/// batches. Lives as long as the worker.
class AccessLog {
 public:
  static constexpr std::size_t max_queue = 8u << 20;  ///< bytes per thread

  /// `wake` is called (by any thread) when lines came after a flush; it should make flush() be called soon.
  AccessLog(std::size_t threads, std::function<void()> wake) : queues_(threads), wake_(std::move(wake)) {}

  /// Where lines go from now on: an O_APPEND descriptor; an empty one turns records off. Main thread.
  void set_file(UniqueFd file);
  bool is_on() const noexcept { return on_.load(std::memory_order_relaxed); }

  /// Queues a line of `thread`. False when its queue is full: the line is lost.
  bool add(std::size_t thread, std::string_view line);
  /// Writes everything queued. Main thread. Returns how many bytes could not be written (they are lost).
  std::size_t flush();

 private:
  struct alignas(64) Queue {
    std::mutex mutex;
    std::string lines;
  };

  std::vector<Queue> queues_;
  std::function<void()> wake_;
  std::atomic<bool> on_{false};
  std::atomic<bool> waiting_{false};
  UniqueFd file_;
};

}  // namespace arcus
