#pragma once

#include <sys/types.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/reason.h"
#include "lib/base/unique_fd.h"
#include "lib/wire/counters.h"
#include "lib/wire/frame.h"
#include "lib/wire/messages.h"

namespace arcus::test {

/// A worker process as the daemon runs one: this program started again, with a channel, a counter file and
/// listening sockets.
class TestWorker {
 public:
  static constexpr std::size_t slots = 16;
  static constexpr std::string_view argument = "worker";  ///< with it alone, the program is the worker
  static constexpr int channel_descriptor = 3;            ///< where the worker finds its channel

  struct Setup {
    int threads = 1;
    std::string sandbox = "off";
    std::int64_t max_connections = 0;
    std::int64_t descriptors = 0;  ///< RLIMIT_NOFILE of the worker; 0 = ours
  };

  TestWorker() : TestWorker(Setup{}) {}
  explicit TestWorker(const Setup& setup);
  ~TestWorker();

  const wire::Ready& ready() const { return ready_; }
  pid_t pid() const { return pid_; }

  void send(wire::FrameType type, const std::string& body, int descriptor = -1);
  /// The next frame of that type; others are kept. Fails the test after 10 s.
  wire::Frame expect(wire::FrameType type);
  wire::Ack expect_ack();
  wire::Event expect_event();

  void put_tenant(const wire::TenantConfig& tenant);
  /// Sends the snapshot and returns the worker's answer.
  wire::Ack put(const wire::ServerConfig& server);
  /// Makes a listening socket (once per server), passes it and waits; returns the port.
  std::uint16_t listen(const std::string& server_id);
  /// put + listen for a tcp server "s" with these backends; returns the port.
  std::uint16_t serve_tcp(const std::vector<std::uint16_t>& backends,
                          const std::function<void(wire::ServerConfig&)>& change = {});
  wire::ServerConfig tcp_config(const std::vector<std::uint16_t>& backends) const;
  void unlisten(const std::string& server_id, std::int64_t drain_timeout_ms, bool forget = false);

  /// Sums of a slot once `settled` says they are what they should become; the last seen after 10 s.
  wire::CounterTotals counters(const std::function<bool(const wire::CounterTotals&)>& settled,
                               std::size_t slot = 0) const;
  int counter_fd() const { return counters_.get(); }
  int listening_fd() const { return listening_.get(); }

  void kill();  ///< SIGKILL
  void close_channel() { channel_.reset(); }
  int wait_for_exit();  ///< exit status, or 128 + signal; fails the test after 20 s

 private:
  bool read_more(int timeout_ms);

  pid_t pid_ = -1;
  std::unique_ptr<wire::FrameChannel> channel_;
  std::deque<wire::Frame> pending_;
  UniqueFd counters_;
  UniqueFd names_;
  UniqueFd listening_;
  std::uint16_t port_ = 0;
  std::int64_t seq_ = 0;
  wire::Ready ready_;
};

std::uint64_t count_of(const wire::CounterTotals& totals, Reason reason);

}  // namespace arcus::test
