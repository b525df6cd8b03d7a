#include "tests/unit/daemon/fake_worker.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "lib/wire/counters.h"
#include "lib/wire/frame.h"
#include "lib/wire/messages.h"

using namespace arcus;
using namespace arcus::wire;

namespace {

class FakeWorker {
 public:
  explicit FakeWorker(int fd) : channel_{UniqueFd{fd}} {}

  int run() {
    for (;;) {
      while (auto frame = channel_.receive()) {
        handle(std::move(*frame));
        if (exit_code_ >= 0) return exit_code_;
      }
      if (channel_.closed()) return 0;
      const bool has_more = channel_.wants_write();
      pollfd ready{.fd = channel_.fd(),
                   .events = static_cast<short>(has_more ? POLLIN | POLLOUT : POLLIN),
                   .revents = 0};
      ::poll(&ready, 1, -1);
      if (has_more) channel_.flush();
    }
  }

 private:
  void handle(Frame frame) {
    if (frame.type == FrameType::hello) channel_.send(FrameType::ready, to_json(Ready{.pid = ::getpid()}));
    if (frame.type == FrameType::counters) {
      files_.push_back(std::move(frame.descriptors.at(0)));
      maps_.push_back(std::make_unique<CounterMap>(files_.back().get()));
    }
    if (frame.type == FrameType::config) on_config(from_json<WorkerConfig>(frame.body));
    if (frame.type == FrameType::listen) {
      const auto body = from_json<ListenFrame>(frame.body);
      listening_[body.server_id] = std::move(frame.descriptors.at(0));
      channel_.send(FrameType::ack, to_json(Ack{.seq = body.seq, .server_id = body.server_id}));
    }
    if (frame.type == FrameType::unlisten) {
      const auto body = from_json<ListenFrame>(frame.body);
      listening_.erase(body.server_id);
      channel_.send(FrameType::ack, to_json(Ack{.seq = body.seq, .server_id = body.server_id}));
      channel_.send(FrameType::event, to_json(Event{.kind = "limit",
                                                    .server_id = body.server_id,
                                                    .detail = std::to_string(body.drain_timeout_ms)}));
      if (lingering_.contains(body.server_id) && body.drain_timeout_ms > 0) return;
      channel_.send(FrameType::event, to_json(Event{.kind = "drained", .server_id = body.server_id}));
    }
    if (frame.type == FrameType::probe) {
      const auto body = from_json<ProbeFrame>(frame.body);
      channel_.send(FrameType::ack, to_json(Ack{.seq = body.seq, .server_id = body.server_id}));
    }
    if (frame.type == FrameType::status)
      channel_.send(FrameType::status, to_json(WorkerStatus{.open_fds = 5}));
    if (frame.type == FrameType::drain) exit_code_ = 0;
    if (frame.type == FrameType::log_level && frame.body == "warn,shutdown=debug") {
      for (const auto& [id, socket] : listening_) ::shutdown(socket.get(), SHUT_RDWR);
      exit_code_ = 0;
    }
  }

  void on_config(const WorkerConfig& config) {
    for (const ServerConfig& server : config.servers) {
      if (server.config.contains("x_die")) exit_code_ = 7;
      if (server.config.contains("x_linger")) lingering_.insert(server.id);
      const auto reject = server.config.find("x_reject");
      std::string error = reject == server.config.end() ? "" : reject->second;
      if (server.config.contains("x_alone") && config.servers.size() > 1) error = "not alone";
      channel_.send(FrameType::ack,
                    to_json(Ack{.server_id = server.id, .generation = server.generation, .error = error}));
      if (const auto lie = server.config.find("x_lie"); lie != server.config.end()) {
        const std::string other = lie->second.substr(0, lie->second.find(' '));
        const std::string backend = lie->second.substr(lie->second.find(' ') + 1);
        say({.kind = "backend_down", .server_id = other, .detail = backend});
        say({.kind = "backend_down", .server_id = server.id, .detail = backend});
        for (const std::string& id : {other, server.id})
          say({.kind = "refused", .server_id = id, .detail = "acl_denied 192.0.2.0/24", .value = 17});
        for (const char* nonsense : {"", "acl_denied", "evil 192.0.2.0/24", "acl_denied ' OR 1", "ok  "})
          say({.kind = "refused", .server_id = server.id, .detail = nonsense, .value = 1});
        say({.kind = "refused", .server_id = server.id, .detail = "acl_denied 192.0.2.0/24", .value = -1});
      }
      for (int left = server.config.contains("x_chatter") ? 501 : 0; left > 0; --left)
        say({.kind = "limit", .server_id = server.id});
      CounterSlot& slot = maps_.at(static_cast<std::size_t>(server.counter_segment))
                              ->slot(0, static_cast<std::size_t>(server.counter_slot));
      slot.total_connections.add();
    }
  }

  void say(const Event& event) { channel_.send(FrameType::event, to_json(event)); }

  FrameChannel channel_;
  std::vector<UniqueFd> files_;
  std::vector<std::unique_ptr<CounterMap>> maps_;
  std::map<std::string, UniqueFd> listening_;
  std::set<std::string> lingering_;  ///< their connections end when they are cut
  int exit_code_ = -1;
};

}  // namespace

int run_fake_worker(int channel_fd) {
  std::signal(SIGPIPE, SIG_IGN);
  return FakeWorker{channel_fd}.run();
}
