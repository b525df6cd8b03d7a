#include "lib/daemon/worker.h"

#include <fcntl.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/log.h"
#include "lib/base/time.h"

namespace arcus::daemon {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How long a worker may take to end after its drain limit before it is killed.
static constexpr milliseconds grace{5'000};
/// How long it may take from its start until it says that it is ready.
static constexpr milliseconds ready_limit{15'000};

Worker::Worker(asio::io_context& io, WorkerSpec spec, wire::Hello hello, std::filesystem::path run_dir,
               WorkerEvents& events)
    : io_{io},
      spec_{std::move(spec)},
      hello_{std::move(hello)},
      run_dir_{std::move(run_dir)},
      events_{events},
      exit_waiter_{io},
      timer_{io} {
  hello_.worker_group = spec_.group;
  hello_.threads = spec_.threads;
  hello_.memory_limit_bytes = spec_.memory_limit_bytes;
}

Worker::~Worker() = default;

void Worker::start() { restart_later(milliseconds{0}); }

void Worker::restart_later(milliseconds pause) {
  timer_.expires_after(pause);
  timer_.async_wait([this, alive = std::weak_ptr{alive_}](const asio::error_code& error) {
    if (!error && !alive.expired() && !retiring_) spawn();
  });
}

void Worker::spawn() {
  try {
    auto [ours, theirs] = wire::make_channel_pair();
    incarnation_ = new_id();
    counters_.emplace(run_dir_, incarnation_, static_cast<std::size_t>(spec_.threads));
    auto [log_reading, log_writing] = make_log_pipe();
    process_.emplace(std::move(theirs), std::move(log_writing));
    log_.emplace(io_, std::move(log_reading), spec_.group);
    channel_ = std::make_unique<Channel>(
        io_, std::move(ours),
        Channel::Handlers{.on_frame = [this](wire::Frame frame) { handle(std::move(frame)); },
                          .on_end =
                              [this](std::string_view error) {
                                if (error.empty() || !process_) return;  // its exit is seen by the pidfd
                                Logger{"worker"}.error("worker broke the protocol",
                                                       field("group", spec_.group) + field("error", error));
                                kill("it broke the protocol");
                              }});
    spawned_at_ = steady_clock::now();
    started_at_ = now_text();
    watch();
    channel_->send(wire::FrameType::hello, to_json(hello_));
    expect_ready();
    events_.on_worker_start(*this);
  } catch (const Error& error) {
    Logger{"worker"}.error("cannot start a worker",
                           field("group", spec_.group) + field("error", error.what()));
    channel_.reset();
    process_.reset();
    log_.reset();
    incarnation_.clear();
    last_exit_ = error.what();
    const auto pause = std::max(backoff_.next({}), Backoff::first);
    events_.on_worker_death(*this, last_exit_, pause);
    restart_later(pause);
  }
}

void Worker::expect_ready() {
  is_ready_ = false;
  timer_.expires_after(ready_limit);
  timer_.async_wait([this, alive = std::weak_ptr{alive_}](const asio::error_code& error) {
    if (!error && !alive.expired() && !is_ready_ && !retiring_) kill("it did not become ready");
  });
}

void Worker::watch() {
  const int copy = ::fcntl(process_->pidfd(), F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw system_error("cannot watch a worker", errno);
  asio::error_code ignored;
  exit_waiter_.close(ignored);
  exit_waiter_.assign(copy);
  exit_waiter_.async_wait(asio::posix::stream_descriptor::wait_read,
                          [this, alive = std::weak_ptr{alive_}](const asio::error_code& error) {
                            if (!error && !alive.expired()) on_exit();
                          });
}

void Worker::on_exit() {
  last_exit_ = process_->reap().to_string();
  if (!killed_for_.empty()) last_exit_ = std::exchange(killed_for_, {});
  process_.reset();
  channel_.reset();
  log_.reset();
  counters_.reset();
  incarnation_.clear();
  timer_.cancel();
  if (retiring_) return events_.on_worker_death(*this, last_exit_, std::nullopt);  // may destroy *this
  ++restarts_;
  const auto pause =
      backoff_.next(std::chrono::duration_cast<milliseconds>(steady_clock::now() - spawned_at_));
  restart_later(pause);
  events_.on_worker_death(*this, last_exit_, pause);
}

void Worker::retire(milliseconds drain_timeout) {
  if (retiring_) return;
  retiring_ = true;
  if (!process_) {
    timer_.expires_after(milliseconds{0});
    timer_.async_wait([this, alive = std::weak_ptr{alive_}](const asio::error_code& error) {
      if (!error && !alive.expired()) events_.on_worker_death(*this, last_exit_, std::nullopt);
    });
    return;
  }
  send(wire::FrameType::drain, to_json(wire::DrainFrame{.drain_timeout_ms = drain_timeout.count()}));
  timer_.expires_after(drain_timeout + grace);
  timer_.async_wait([this, alive = std::weak_ptr{alive_}](const asio::error_code& error) {
    if (!error && !alive.expired()) kill();
  });
}

void Worker::kill(std::string why) {
  if (!process_) return;
  killed_for_ = std::move(why);
  process_->kill(SIGKILL);
}

void Worker::send(wire::FrameType type, std::string_view body, int descriptor) {
  if (channel_) channel_->send(type, body, descriptor);
}

void Worker::pass_counters() {
  counters_->pass_new([this](std::int64_t segment, int fd) {
    send(wire::FrameType::counters, to_json(wire::CountersFrame{.segment = segment}), fd);
  });
}

void Worker::handle(wire::Frame frame) {
  switch (frame.type) {
    case wire::FrameType::ready:
      if (std::exchange(is_ready_, true)) break;
      return events_.on_worker_ready(*this, wire::from_json<wire::Ready>(frame.body));
    case wire::FrameType::ack:
      return events_.on_worker_ack(*this, wire::from_json<wire::Ack>(frame.body));
    case wire::FrameType::event:
      return events_.on_worker_event(*this, wire::from_json<wire::Event>(frame.body));
    case wire::FrameType::status:
      return events_.on_worker_status(*this, wire::from_json<wire::WorkerStatus>(frame.body));
    case wire::FrameType::hello:
    case wire::FrameType::config:
    case wire::FrameType::listen:
    case wire::FrameType::unlisten:
    case wire::FrameType::drain:
    case wire::FrameType::own_ports:
    case wire::FrameType::check:
    case wire::FrameType::probe:
    case wire::FrameType::resolver:
    case wire::FrameType::counters:
    case wire::FrameType::access_log:
    case wire::FrameType::log_level:
      break;
  }
  throw Error{ErrorKind::failed, "channel: a worker sent a frame that it may not send"};
}

}  // namespace arcus::daemon
