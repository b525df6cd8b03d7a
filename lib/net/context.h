#pragma once

#include <span>

#include "lib/net/deadline.h"
#include "lib/net/poller.h"

namespace arcus {

class Resolver;
class PipePool;
class Lingering;

/// What one data thread lends to the code that runs on it.
struct NetContext {
  Poller& poller;
  DeadlineLists& deadlines;
  Resolver& resolver;
  PipePool& pipes;
  Lingering& lingering;
  std::span<char> scratch;  ///< 64 KiB, valid until the callback returns; anyone called may overwrite it
};

inline constexpr std::size_t scratch_size = 64 * 1024;

}  // namespace arcus
