#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "lib/base/unique_fd.h"
#include "lib/net/poller.h"

namespace arcus {

class DataThread;

/// Tasks for a data thread from others: a queue and an eventfd in the thread's poller.
class Mailbox final : private PollHandler {
 public:
  explicit Mailbox(DataThread& owner);
  ~Mailbox();

  void post(std::function<void(DataThread&)> task);

 private:
  void on_events(std::uint32_t events) override;

  DataThread& owner_;
  UniqueFd event_;
  std::mutex mutex_;
  std::vector<std::function<void(DataThread&)>> tasks_;
};

}  // namespace arcus
