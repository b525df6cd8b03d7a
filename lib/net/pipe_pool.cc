#include "lib/net/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace arcus {

std::atomic<int> PipePool::in_use_{0};

std::unique_ptr<Pipe> PipePool::take() {
  if (!free_.empty()) {
    auto pipe = std::move(free_.back());
    free_.pop_back();
    return pipe;
  }
  if (in_use_.fetch_add(1, std::memory_order_relaxed) < max_pipes) {
    std::array<int, 2> ends;
    if (::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0) {
      auto pipe = std::make_unique<Pipe>();
      pipe->read_end.reset(ends[0]);
      pipe->write_end.reset(ends[1]);
      // Past a user's pipe budget the kernel hands out tiny ones: those are worse than copying.
      const int capacity = ::fcntl(ends[0], F_GETPIPE_SZ);
      if (capacity >= static_cast<int>(min_capacity)) {
        pipe->capacity = static_cast<std::size_t>(capacity);
        return pipe;
      }
    }
  }
  in_use_.fetch_sub(1, std::memory_order_relaxed);
  return nullptr;
}

void PipePool::give(std::unique_ptr<Pipe> pipe, bool clean) noexcept {
  if (!pipe) return;
  if (clean)
    free_.push_back(std::move(pipe));
  else
    in_use_.fetch_sub(1, std::memory_order_relaxed);
}

PipePool::~PipePool() { in_use_.fetch_sub(static_cast<int>(free_.size()), std::memory_order_relaxed); }

}  // namespace arcus
