#include "lib/runtime/access_log.h"

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace arcus {

void AccessLog::set_file(UniqueFd file) {
  flush();
  on_.store(static_cast<bool>(file), std::memory_order_relaxed);
  file_ = std::move(file);
}

bool AccessLog::add(std::size_t thread, std::string_view line) {
  Queue& queue = queues_[thread];
  {
    const std::lock_guard lock(queue.mutex);
    if (queue.lines.size() + line.size() > max_queue) return false;
    queue.lines += line;
  }
  if (!waiting_.load() && !waiting_.exchange(true)) wake_();
  return true;
}

static std::size_t write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return bytes.size();
}

std::size_t AccessLog::flush() {
  // Before the queues are looked at: a line added from here on wakes us again.
  waiting_.store(false);
  std::size_t lost = 0;
  for (Queue& queue : queues_) {
    std::string lines;
    {
      const std::lock_guard lock(queue.mutex);
      lines.swap(queue.lines);
    }
    if (file_ && !lines.empty()) lost += write_all(file_.get(), lines);
  }
  return lost;
}

}  // namespace arcus
