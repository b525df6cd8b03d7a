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
  std::size_t held = 0;  ///< bytes in it
};

/// Clean pipes of one thread for reuse; the whole worker has at most `max_pipes`. The first `max_roomy` of
/// them are larger: a GiB then takes 4,450 calls instead of 17,500 and two thirds of the time. More of them
/// would soon spend what the kernel lets all workers of a user have together.
class PipePool {
 public:
  static constexpr int max_pipes = 64;
  static constexpr int max_roomy = 16;
  static constexpr std::size_t min_capacity = 64 * 1024;
  static constexpr std::size_t roomy_capacity = 256 * 1024;

  /// A clean pipe, a roomy one if there is one, or nullptr when none may be had (then copy).
  std::unique_ptr<Pipe> take();
  /// Returns a pipe; one with bytes in it is closed.
  void give(std::unique_ptr<Pipe> pipe) noexcept;
  ~PipePool();

 private:
  static std::size_t enlarge(const Pipe& pipe) noexcept;
  static void forget(const Pipe& pipe) noexcept;

  std::vector<std::unique_ptr<Pipe>> free_;  ///< the roomy ones last
  static std::atomic<int> in_use_;
  static std::atomic<int> roomy_;
};

}  // namespace arcus
