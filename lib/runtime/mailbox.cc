#include "lib/runtime/mailbox.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/runtime/thread.h"

namespace arcus {

Mailbox::Mailbox(DataThread& owner) : owner_(owner), event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (!event_ || !owner.poller().add(event_.get(), *this, EPOLLIN | EPOLLET))
    throw system_error("eventfd", errno);
}

Mailbox::~Mailbox() { owner_.poller().forget(event_.get()); }

void Mailbox::post(std::function<void(DataThread&)> task) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  // Edge-triggered: every write wakes, nobody needs to read the count.
  if (first) static_cast<void>(::eventfd_write(event_.get(), 1));
}

void Mailbox::on_events(std::uint32_t) {
  std::vector<std::function<void(DataThread&)>> batch;
  {
    const std::lock_guard lock(mutex_);
    batch.swap(tasks_);
  }
  for (const auto& task : batch) {
    try {
      task(owner_);
    } catch (const std::exception& error) {  // the others still have their turn
      static const Logger log("thread");
      log.error("internal", field("error", error.what()));
    }
  }
}

}  // namespace arcus
