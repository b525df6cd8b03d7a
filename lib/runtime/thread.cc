#include "lib/runtime/thread.h"

#include <exception>
#include <utility>

#include "lib/base/log.h"
#include "lib/runtime/health_checks.h"
#include "lib/runtime/listener.h"
#include "lib/runtime/mailbox.h"

namespace arcus {

DataThread::DataThread(WorkerShared& shared, unsigned index)
    : shared_(shared),
      index_(index),
      scratch_(scratch_size),
      deadlines_(poller_.now()),
      resolver_(poller_, deadlines_),
      keep_alive_(deadlines_, shared.idle_upstreams()),
      lingering_(poller_, deadlines_),
      net_{poller_, deadlines_, resolver_, pipes_, lingering_, scratch_},
      mailbox_(std::make_unique<Mailbox>(*this)),
      checks_(std::make_unique<HealthChecks>(*this)) {}

DataThread::~DataThread() = default;

void DataThread::post(std::function<void(DataThread&)> task) { mailbox_->post(std::move(task)); }

void DataThread::run() {
  while (!stopping_) {
    poller_.run_once(deadlines_.earliest());
    try {
      deadlines_.sweep();
    } catch (const std::exception& error) {
      // Costs one session; the rest of the sweep comes with the next turn.
      static const Logger log("thread");
      log.error("internal", field("error", error.what()));
    }
  }
  // Nothing may be left that refers to us: end what there is and let it be freed.
  listeners_.clear();
  checks_->clear();
  for (const auto& [number, server] : servers_) {
    const std::uint64_t epoch = server->drain(nullptr);
    server->kill_draining(Reason::draining, epoch);
  }
  lingering_.clear();
  poller_.run_once(SteadyTime{});
}

ServerOnThread* DataThread::find_server(std::uint64_t number) noexcept {
  const auto it = servers_.find(number);
  return it == servers_.end() ? nullptr : it->second.get();
}

void DataThread::put_server(std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters) {
  checks_->renew(config);
  auto& server = servers_[config->number];
  if (server)
    server->set_config(std::move(config), counters);
  else
    server = std::make_unique<ServerOnThread>(*this, std::move(config), counters);
}

namespace {

/// Lets a server outlive the call stack it is removed from.
struct RemovedServer final : Retired {
  explicit RemovedServer(std::unique_ptr<ServerOnThread> its_server) : server(std::move(its_server)) {}
  std::unique_ptr<ServerOnThread> server;
};

}  // namespace

void DataThread::remove_server(std::uint64_t number) {
  const auto it = servers_.find(number);
  if (it == servers_.end()) return;
  keep_alive_.drop(number);
  poller_.retire(std::make_unique<RemovedServer>(std::move(it->second)));
  servers_.erase(it);
}

bool DataThread::listen(std::uint64_t server, std::shared_ptr<ListeningSocket> socket) {
  auto& listener = listeners_[server];
  listener = std::make_unique<Listener>(*this, server, std::move(socket));
  if (!listener->is_watching()) {
    listeners_.erase(server);
    return false;
  }
  if (const ServerOnThread* one = find_server(server); one && index_ == 0) checks_->watch(one->config());
  return true;
}

void DataThread::unlisten(std::uint64_t server) {
  checks_->unwatch(server);
  listeners_.erase(server);
}

}  // namespace arcus
