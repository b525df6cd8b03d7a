#include "lib/net/poller.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <limits>

#include "lib/base/error.h"
#include "lib/base/log.h"

namespace arcus {

const std::uint32_t Poller::traffic = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/// The border of one connection: what a handler throws costs that connection, not its neighbours.
template <typename Call>
static void guarded(Call call) noexcept {
  try {
    call();
  } catch (const std::exception& error) {
    static const Logger log("net");
    log.error("internal", field("error", error.what()));
  }
}

static std::uint64_t pack(int fd, std::uint32_t generation) noexcept {
  return std::uint64_t{generation} << 32 | static_cast<std::uint32_t>(fd);
}

void Deferred::unqueue() noexcept {
  if (!previous_) return;
  *previous_ = next_;
  if (next_) next_->previous_ = previous_;
  previous_ = nullptr;
  next_ = nullptr;
}

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), now_(std::chrono::steady_clock::now()) {
  if (!epoll_) throw system_error("epoll_create1", errno);
}

Poller::~Poller() {
  retired_.clear();
  while (deferred_) deferred_->unqueue();
}

bool Poller::add(int fd, PollHandler& handler, std::uint32_t mask) noexcept {
  const auto index = static_cast<std::size_t>(fd);
  if (index >= slots_.size()) slots_.resize(std::max(index + 1, slots_.size() * 2));
  slots_[index] = {&handler, ++generation_};
  epoll_event event{};
  event.events = mask;
  event.data.u64 = pack(fd, generation_);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return true;
  slots_[index].handler = nullptr;
  return false;
}

void Poller::rebind(int fd, PollHandler& handler) noexcept {
  slots_[static_cast<std::size_t>(fd)].handler = &handler;
}

void Poller::forget(int fd) noexcept { slots_[static_cast<std::size_t>(fd)].handler = nullptr; }

void Poller::remove(int fd) noexcept {
  forget(fd);
  epoll_event ignored{};
  static_cast<void>(::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &ignored));
}

void Poller::defer(Deferred& deferred) noexcept {
  if (deferred.is_queued()) return;
  deferred.previous_ = &deferred_;
  deferred.next_ = deferred_;
  if (deferred_) deferred_->previous_ = &deferred.next_;
  deferred_ = &deferred;
}

void Poller::retire(std::unique_ptr<Retired> object) { retired_.push_back(std::move(object)); }

static int timeout_until(SteadyTime deadline, SteadyTime now) noexcept {
  if (deadline == SteadyTime::max()) return -1;
  if (deadline <= now) return 0;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(deadline - now).count();
  return static_cast<int>(std::min<std::int64_t>(wait, std::numeric_limits<int>::max()));
}

void Poller::run_once(SteadyTime deadline) {
  const bool pending = deferred_ != nullptr || !retired_.empty();
  std::array<epoll_event, 256> events;
  const int n = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                             pending ? 0 : timeout_until(deadline, now_));
  now_ = std::chrono::steady_clock::now();
  ++wakeups_;
  for (int i = 0; i < n; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const auto fd = static_cast<std::uint32_t>(event.data.u64);
    const Slot slot = slots_[fd];
    // A descriptor closed (and perhaps reused) earlier in this batch has another generation or no handler.
    if (slot.handler && slot.generation == event.data.u64 >> 32)
      guarded([&] { slot.handler->on_events(event.events); });
  }
  settle();
}

void Poller::settle() {
  // Only what is queued now: what is deferred meanwhile runs after the next look at the sockets.
  Deferred* batch = std::exchange(deferred_, nullptr);
  if (batch) batch->previous_ = &batch;
  while (batch) {
    Deferred& next = *batch;
    next.unqueue();
    guarded([&] { next.on_deferred(); });
  }
  while (!retired_.empty()) {
    auto garbage = std::exchange(retired_, {});
    garbage.clear();
  }
}

}  // namespace arcus
