#include "lib/net/pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>

namespace arcus {

std::atomic<int> PipePool::in_use_{0};
std::atomic<int> PipePool::roomy_{0};

static bool is_roomy(const Pipe& pipe) noexcept { return pipe.capacity >= PipePool::roomy_capacity; }

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
      pipe->capacity = enlarge(*pipe);
      if (pipe->capacity >= min_capacity) return pipe;
    }
  }
  in_use_.fetch_sub(1, std::memory_order_relaxed);
  return nullptr;
}

/// What it holds then. Past a user's pipe budget the kernel enlarges none, and new ones are tiny: those are
/// worse than copying.
std::size_t PipePool::enlarge(const Pipe& pipe) noexcept {
  const int fd = pipe.read_end.get();
  if (roomy_.fetch_add(1, std::memory_order_relaxed) < max_roomy) {
    const int capacity = ::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(roomy_capacity));
    if (capacity >= static_cast<int>(roomy_capacity)) return static_cast<std::size_t>(capacity);
  }
  roomy_.fetch_sub(1, std::memory_order_relaxed);
  const int capacity = ::fcntl(fd, F_GETPIPE_SZ);
  return capacity > 0 ? static_cast<std::size_t>(capacity) : 0;
}

void PipePool::forget(const Pipe& pipe) noexcept {
  in_use_.fetch_sub(1, std::memory_order_relaxed);
  if (is_roomy(pipe)) roomy_.fetch_sub(1, std::memory_order_relaxed);
}

void PipePool::give(std::unique_ptr<Pipe> pipe) noexcept {
  if (!pipe) return;
  if (pipe->held > 0) return forget(*pipe);
  free_.insert(is_roomy(*pipe) ? free_.end() : free_.begin(), std::move(pipe));
}

PipePool::~PipePool() {
  for (const auto& pipe : free_) forget(*pipe);
}

}  // namespace arcus
