#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

#include "lib/base/unique_fd.h"

namespace arcus {

/// A kernel pipe for splice.
struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
  std::size_t capacity = 0;
};

/// Clean pipes of one thread for reuse; the whole worker has at most `max_pipes`.
class PipePool {
 public:
  static constexpr int max_pipes = 64;
  static constexpr std::size_t min_capacity = 64 * 1024;

  /// A clean pipe, or nullptr when none may be had (then copy).
  std::unique_ptr<Pipe> take();
  /// Returns a pipe; one with bytes in it is closed.
  void give(std::unique_ptr<Pipe> pipe, bool clean) noexcept;
  ~PipePool();

 private:
  std::vector<std::unique_ptr<Pipe>> free_;
  static std::atomic<int> in_use_;
};

}  // namespace arcus
