#include "lib/runtime/worker_loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <asio/post.hpp>
#include <atomic>
#include <csignal>
#include <iterator>
#include <latch>
#include <utility>

#include "lib/runtime/health_checks.h"
#include "lib/runtime/thread.h"

namespace arcus {

using namespace std::chrono_literals;

/// How long lines may wait for more of them.
static constexpr auto log_batch = 50ms;
/// How many descriptors we may have.
static std::size_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return limit.rlim_cur;
}

WorkerLoop::WorkerLoop(wire::FrameChannel channel, const wire::Hello& hello,
                       std::span<const Protocol* const> protocols)
    : facts_(std::make_shared<WorkerFacts>(hello.version, hello.instance)),
      shared_([this](std::function<void()> task) { asio::post(io_, std::move(task)); },
              descriptor_limit() / 4 / static_cast<std::size_t>(std::max<std::int64_t>(1, hello.threads))),
      table_(protocols, static_cast<std::size_t>(std::max<std::int64_t>(1, hello.threads)), facts_,
             shared_.tallies(), [this] { asio::post(io_, [this] { flush_logs_soon(); }); }),
      channel_(std::move(channel)),
      threads_(static_cast<std::size_t>(std::max<std::int64_t>(1, hello.threads))) {
  // Two descriptors a connection, some for ourselves.
  const auto fitting = static_cast<std::int64_t>(descriptor_limit() / 2) - 64;
  table_.worker_gauge().set_limit(hello.max_connections > 0 ? hello.max_connections
                                                            : std::max<std::int64_t>(16, fitting));
  shared_.memory().set_limit(hello.memory_limit_bytes);
  if (shared_.memory().is_limited()) measure_memory();
  shared_.set_sampler([this] { sample_delays(); });
  shared_.set_teller([this] { tell_refusals_soon(); });
  shared_.set_reporter([this](const wire::Event& event) { send(wire::FrameType::event, to_json(event)); });
  channel_events_.assign(channel_.fd());
}

WorkerLoop::~WorkerLoop() { static_cast<void>(channel_events_.release()); }

int WorkerLoop::run(const wire::Ready& ready) {
  signals_.add(SIGTERM);
  watch_signals();
  for (std::size_t i = 0; i < threads_; ++i)
    shared_.make_threads().push_back(std::make_unique<DataThread>(shared_, static_cast<unsigned>(i)));
  for (const auto& thread : shared_.threads()) {
    running_.emplace_back([data = thread.get()] {
      ::pthread_setname_np(::pthread_self(), ("data-" + std::to_string(data->index())).c_str());
      data->run();
    });
  }
  send(wire::FrameType::ready, to_json(ready));
  wait_for_frames();
  io_.run();
  for (const auto& thread : shared_.threads()) thread->post([](DataThread& there) { there.stop(); });
  running_.clear();  // joins
  shared_.authenticator().stop();
  for (const auto& thread : shared_.threads()) refusals_.add(thread->refusals().take());
  tell_refusals();
  shared_.make_threads().clear();
  table_.flush_logs();
  return 0;
}

void WorkerLoop::watch_signals() {
  signals_.async_wait([this](const asio::error_code& error, int) {
    if (!error) on_signal();
  });
}

/// The daemon's death sends one by itself; a second one means now.
void WorkerLoop::on_signal() {
  if (++signals_seen_ > 1) return io_.stop();
  watch_signals();
  const bool is_news = !ending_;
  leave();
  if (is_news) send(wire::FrameType::event, to_json(wire::Event{.kind = "leaving"}));
}

void WorkerLoop::leave() {
  if (ending_) return;
  Milliseconds patience{0};
  for (auto& [id, entry] : table_.all()) {
    if (entry.listening) entry.listening->shut_down();
    patience = std::max(patience, Milliseconds(entry.config->wire.drain_timeout_ms));
  }
  drain_all(patience);
}

void WorkerLoop::flush_logs_soon() {
  if (std::exchange(flushing_, true)) return;
  log_timer_.expires_after(log_batch);
  log_timer_.async_wait([this](const asio::error_code& error) {
    flushing_ = false;
    if (error) return;
    if (const std::size_t lost = table_.flush_logs(); lost > 0)
      log_.warn("access_log_lost", field("bytes", static_cast<long long>(lost)));
  });
}

void WorkerLoop::on_all_threads(const std::function<void(DataThread&)>& task,
                                std::function<void(const std::string&)> done) {
  struct Round {
    std::size_t left;
    std::string error;
    std::function<void(const std::string&)> done;
  };
  auto round = std::make_shared<Round>(Round{threads_, "", std::move(done)});
  for (const auto& thread : shared_.threads()) {
    thread->post([this, task, round](DataThread& there) {
      std::string error;
      try {
        task(there);
      } catch (const std::exception& thrown) {
        error = thrown.what();
      }
      shared_.run_on_main([round, error = std::move(error)] {
        if (round->error.empty()) round->error = error;
        if (--round->left == 0) round->done(round->error);
      });
    });
  }
}

void WorkerLoop::put_server(const wire::ServerConfig& server) {
  const ServerEntry& entry = table_.put_server(server);
  std::vector<wire::CounterSlot*> slots;  // looked up here: the table is this thread's
  for (std::size_t i = 0; i < threads_; ++i) slots.push_back(&table_.slot(*entry.config, i));
  on_all_threads([config = entry.config, slots = std::move(slots)](
                     DataThread& thread) { thread.put_server(config, *slots[thread.index()]); },
                 [this, id = server.id, generation = server.generation](const std::string& error) {
                   const wire::Ack ack{.server_id = id, .generation = generation, .error = error};
                   send(wire::FrameType::ack, to_json(ack));
                 });
}

void WorkerLoop::on_config(const wire::WorkerConfig& config) {
  for (const wire::TenantConfig& tenant : config.tenants) table_.put_tenant(tenant);
  for (const wire::ServerConfig& server : config.servers) {
    try {
      put_server(server);
    } catch (const Error& error) {
      // By way of the threads: an answer must not overtake that of an earlier snapshot of the server.
      const wire::Ack refusal{.server_id = server.id, .generation = server.generation, .error = error.what()};
      on_all_threads([](DataThread&) {}, [this, body = to_json(refusal)](
                                             const std::string&) { send(wire::FrameType::ack, body); });
    }
  }
}

void WorkerLoop::ack_listen(const wire::ListenFrame& frame, const std::string& error) {
  send(wire::FrameType::ack,
       to_json(wire::Ack{.seq = frame.seq, .server_id = frame.server_id, .error = error}));
}

void WorkerLoop::on_listen(const wire::ListenFrame& frame, UniqueFd socket) {
  ServerEntry* entry = table_.find(frame.server_id);
  if (!entry) return ack_listen(frame, "no such server");
  if (entry->listening) facts_->remove_port(entry->port);
  entry->listening = std::make_shared<ListeningSocket>(std::move(socket));
  entry->port = entry->config->wire.listen_port;
  facts_->add_port(entry->port);
  // First all resume, then any listens: a thread hands clients to another, which must not take them for late
  // ones.
  const std::uint64_t number = entry->config->number;
  on_all_threads(
      [number](DataThread& thread) {
        if (ServerOnThread* server = thread.find_server(number)) server->resume();
      },
      [this, frame, number, listening = entry->listening](const std::string&) {
        const ServerEntry* now = table_.find(frame.server_id);
        if (!now || now->listening != listening) return ack_listen(frame, "told to stop listening meanwhile");
        on_all_threads(
            [number, listening](DataThread& thread) {
              if (!thread.find_server(number) || !thread.listen(number, listening))
                throw Error{ErrorKind::failed, "the listening socket cannot be watched"};
            },
            [this, frame](const std::string& error) { ack_listen(frame, error); });
      });
}

void WorkerLoop::on_unlisten(const wire::ListenFrame& frame) {
  ServerEntry* entry = table_.find(frame.server_id);
  if (!entry) return ack_listen(frame, "no such server");
  if (entry->listening) facts_->remove_port(entry->port);
  entry->listening.reset();
  const std::uint64_t number = entry->config->number;
  on_all_threads([number](DataThread& thread) { thread.unlisten(number); },
                 [this, frame](const std::string& error) { ack_listen(frame, error); });
  const Reason reason = find_reason(frame.reason).value_or(Reason::draining);
  drain_server(*entry, Milliseconds(frame.drain_timeout_ms), reason, [this, id = frame.server_id] {
    send(wire::FrameType::event, to_json(wire::Event{.kind = "drained", .server_id = id}));
  });
  if (!frame.forget) return;
  table_.erase(frame.server_id);
  on_all_threads(
      [number](DataThread& thread) {
        if (ServerOnThread* server = thread.find_server(number)) server->forget();
      },
      [](const std::string&) {});
}

void WorkerLoop::drain_server(ServerEntry& entry, Milliseconds patience, Reason reason,
                              std::function<void()> done) {
  const std::uint64_t number = entry.config->number;
  auto timer = std::make_shared<asio::steady_timer>(io_);
  auto left = std::make_shared<std::size_t>(threads_);
  // Each thread says once that its share has ended; the last cancels the timer.
  const auto epochs = std::make_shared<std::vector<std::uint64_t>>(threads_);  // each thread has its own
  const auto share_done = [timer, left, done = std::move(done)] {
    if (--*left > 0) return;
    timer->cancel();
    done();
  };
  for (const auto& thread : shared_.threads()) {
    thread->post([this, number, epochs, share_done](DataThread& there) {
      ServerOnThread* server = there.find_server(number);
      if (!server) return shared_.run_on_main(share_done);
      (*epochs)[there.index()] = server->drain([this, share_done] { shared_.run_on_main(share_done); });
    });
  }
  const auto kill = [this, number, epochs, reason] {
    on_all_threads(
        [number, epochs, reason](DataThread& thread) {
          ServerOnThread* server = thread.find_server(number);
          if (server) server->kill_draining(reason, (*epochs)[thread.index()]);
        },
        [](const std::string&) {});
  };
  if (patience.count() <= 0) return kill();
  timer->expires_after(patience);
  timer->async_wait([timer, kill](const asio::error_code& error) {
    if (!error) kill();
  });
}

void WorkerLoop::drain_all(Milliseconds patience) {
  ending_ = true;
  auto left = std::make_shared<std::size_t>(table_.all().size() + 1);
  const auto one_done = [this, left] {
    if (--*left == 0) io_.stop();
  };
  for (auto& [id, entry] : table_.all()) {
    const std::uint64_t number = entry.config->number;
    on_all_threads([number](DataThread& thread) { thread.unlisten(number); }, [](const std::string&) {});
    drain_server(entry, patience, Reason::draining, one_done);
  }
  one_done();
  // Lost sessions must not keep the process: end a little after the last of them should have.
  exit_timer_.expires_after(patience + 2s);
  exit_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) io_.stop();
  });
}

void WorkerLoop::on_resolver(const wire::ResolverConfig& config) {
  std::vector<IpAddress> local;
  for (const std::string& text : config.local_addresses)
    if (const auto address = IpAddress::parse(text)) local.push_back(*address);
  facts_->set_local_addresses(std::move(local));
  on_all_threads(
      [this, texts = ResolverTexts{config.resolv_conf, config.hosts}](DataThread& thread) {
        try {
          thread.resolver().configure(texts);
        } catch (const Error& error) {
          shared_.report("error", "", error.what());
        }
      },
      [](const std::string&) {});
}

void WorkerLoop::on_own_ports(const wire::OwnPortsFrame& frame) { facts_->set_ports(frame.ports); }

void WorkerLoop::on_probe(const wire::ProbeFrame& frame) {
  const ServerEntry* entry = table_.find(frame.server_id);
  if (entry) shared_.expect_probe(entry->config->number, frame.source_port);
  send(wire::FrameType::ack,
       to_json(wire::Ack{
           .seq = frame.seq, .server_id = frame.server_id, .error = entry ? "" : "no such server"}));
}

/// What is refused within 10 s is told in sums.
void WorkerLoop::tell_refusals_soon() {
  refusal_timer_.expires_after(10s);
  refusal_timer_.async_wait([this](const asio::error_code& error) {
    if (error) return;
    shared_.end_telling();  // first: what comes from here on is told, now or the next time
    on_all_threads(
        [this](DataThread& thread) {
          auto sums = thread.refusals().take();
          shared_.run_on_main([this, sums = std::move(sums)] { refusals_.add(sums); });
        },
        [this](const std::string&) { tell_refusals(); });  // on this thread too, behind all of those
  });
}

void WorkerLoop::tell_refusals() {
  for (const RefusalTally::Sum& sum : refusals_.take())
    send(wire::FrameType::event,
         to_json(wire::Event{.kind = "refused",
                             .server_id = sum.server_id,
                             .detail = std::string{name_of(sum.reason)} + " " + sum.network_text(),
                             .value = static_cast<std::int64_t>(sum.count)}));
}

void WorkerLoop::measure_memory() {
  shared_.memory().measure();
  memory_timer_.expires_after(100ms);
  memory_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) measure_memory();
  });
}

/// Measures how long a thread that has connections takes to get to a message.
void WorkerLoop::sample_delays() {
  bool has_load = false;
  const SteadyTime sent = std::chrono::steady_clock::now();
  for (const auto& thread : shared_.threads()) {
    if (thread->load() == 0) continue;
    has_load = true;
    thread->post([sent](DataThread& there) {
      const auto delay = std::chrono::steady_clock::now() - sent;
      there.loop_delay().add(std::chrono::duration_cast<std::chrono::microseconds>(delay));
    });
  }
  constexpr int patience = 10;  // half a second
  quiet_samples_ = has_load ? 0 : quiet_samples_ + 1;
  if (ending_ || quiet_samples_ > patience) {
    quiet_samples_ = 0;
    return shared_.end_sampling();
  }
  delay_timer_.expires_after(50ms);
  delay_timer_.async_wait([this](const asio::error_code& error) {
    if (!error) sample_delays();
  });
}

void WorkerLoop::on_check(const wire::CheckFrame& frame) {
  shared_.threads().front()->post([this, seq = frame.seq](DataThread& there) {
    there.checks().check_all([this, seq, &there] {
      shared_.run_on_main([this, seq, results = there.checks().take_results()]() mutable {
        send_status(std::move(results));
        send(wire::FrameType::ack, to_json(wire::Ack{.seq = seq}));
      });
    });
  });
}

void WorkerLoop::on_status() {
  shared_.threads().front()->post([this](DataThread& there) {
    shared_.run_on_main(
        [this, results = there.checks().take_results()]() mutable { send_status(std::move(results)); });
  });
}

void WorkerLoop::send_status(std::vector<wire::BackendStatus> backends) {
  constexpr std::ptrdiff_t most_in_a_frame = 500;
  wire::WorkerStatus status;
  while (std::ssize(backends) > most_in_a_frame) {
    wire::WorkerStatus part;
    part.is_part = true;
    part.backends.assign(std::make_move_iterator(backends.end() - most_in_a_frame),
                         std::make_move_iterator(backends.end()));
    backends.resize(backends.size() - part.backends.size());
    send(wire::FrameType::status, to_json(part));
  }
  status.backends = std::move(backends);
  LoopDelay delays;
  for (const auto& thread : shared_.threads()) thread->loop_delay().move_to(delays);
  status.loop_delay_p99_us = delays.p99().count();
  for (const auto& thread : shared_.threads()) status.active_connections += thread->load();
  // There is no /proc in here: ask for each, until a long run of closed ones.
  for (int fd = 0, missing = 0; missing < 1024; ++fd) {
    missing = ::fcntl(fd, F_GETFD) < 0 ? missing + 1 : 0;
    if (missing == 0) ++status.open_fds;
  }
  send(wire::FrameType::status, to_json(status));
}

void WorkerLoop::on_log_level(const std::string& filter) {
  if (!check_log_filter(filter).empty()) return;
  // The settings are not for use beside threads that log: hold them for the moment.
  std::latch held(static_cast<std::ptrdiff_t>(threads_));
  auto release = std::make_shared<std::latch>(1);
  for (const auto& thread : shared_.threads()) {
    thread->post([&held, release](DataThread&) {
      held.count_down();
      release->wait();
    });
  }
  held.wait();
  set_log({.filter = filter});
  release->count_down();
}

}  // namespace arcus
