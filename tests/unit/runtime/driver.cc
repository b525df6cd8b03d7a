#include "tests/unit/runtime/driver.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <stdexcept>
#include <utility>

#include "tests/unit/runtime/peers.h"

namespace arcus::test {

using std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

/// Starts this program again as a worker. Not fork alone: a test's origins are threads, and the child would
/// wait for ever for a lock that one of them held (the sanitizers have such locks).
pid_t start_worker(int channel, std::int64_t descriptors) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (descriptors > 0) {
    const rlimit limit{static_cast<rlim_t>(descriptors), static_cast<rlim_t>(descriptors)};
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (channel == TestWorker::channel_descriptor)
    ::fcntl(channel, F_SETFD, 0);
  else
    ::dup2(channel, TestWorker::channel_descriptor);
  ::execl("/proc/self/exe", "worker", TestWorker::argument.data(), nullptr);
  ::_exit(127);
}

}  // namespace

TestWorker::TestWorker(const Setup& setup) {
  std::string path = "/tmp/arcus-test-counters-XXXXXX";
  const UniqueFd placeholder{::mkstemp(path.data())};
  ::unlink(path.c_str());
  // Its lock belongs to this open file, which only the worker keeps; we read through another.
  const UniqueFd locked{
      wire::create_counter_file(path, "test", static_cast<std::size_t>(setup.threads), slots)};
  counters_.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  ::unlink(path.c_str());
  names_.reset(::open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600));
  for (std::size_t i = 0; i < slots; ++i)
    wire::name_counter_slot(names_.get(), i, "server" + std::to_string(i));

  auto [mine, theirs] = wire::make_channel_pair();
  pid_ = start_worker(theirs.get(), setup.descriptors);
  if (pid_ < 0) throw std::runtime_error("fork");
  theirs.reset();
  channel_ = std::make_unique<wire::FrameChannel>(std::move(mine));
  send(wire::FrameType::hello, to_json(wire::Hello{.version = "0",
                                                   .instance = "arcus-test",
                                                   .threads = setup.threads,
                                                   .sandbox = setup.sandbox,
                                                   .log_filter = "error",
                                                   .max_connections = setup.max_connections}));
  ready_ = wire::from_json<wire::Ready>(expect(wire::FrameType::ready).body);
  send(wire::FrameType::counters, to_json(wire::CountersFrame{}), locked.get());
  put_tenant({.id = "t", .name = "acme"});
}

TestWorker::~TestWorker() {
  if (pid_ < 0) return;
  kill();
  ::waitpid(pid_, nullptr, 0);
}

void TestWorker::send(wire::FrameType type, const std::string& body, int descriptor) {
  channel_->send(type, body, descriptor);
  while (channel_->wants_write()) {
    pollfd out{channel_->fd(), POLLOUT, 0};
    ::poll(&out, 1, 1000);
    channel_->flush();
  }
}

bool TestWorker::read_more(int timeout_ms) {
  pollfd in{channel_->fd(), POLLIN, 0};
  if (::poll(&in, 1, timeout_ms) <= 0) return false;
  while (auto frame = channel_->receive()) pending_.push_back(std::move(*frame));
  return !channel_->closed();
}

wire::Frame TestWorker::expect(wire::FrameType type) {
  const auto limit = steady_clock::now() + 10s;
  while (true) {
    for (auto it = pending_.begin(); it != pending_.end(); ++it) {
      if (it->type != type) continue;
      wire::Frame frame = std::move(*it);
      pending_.erase(it);
      return frame;
    }
    if (steady_clock::now() > limit) throw std::runtime_error("no such frame within 10 s");
    if (!read_more(1000) && channel_->closed()) throw std::runtime_error("the worker closed the channel");
  }
}

wire::Ack TestWorker::expect_ack() { return wire::from_json<wire::Ack>(expect(wire::FrameType::ack).body); }
wire::Event TestWorker::expect_event() {
  return wire::from_json<wire::Event>(expect(wire::FrameType::event).body);
}

void TestWorker::put_tenant(const wire::TenantConfig& tenant) {
  wire::WorkerConfig config;
  config.tenants = {tenant};
  send(wire::FrameType::config, to_json(config));
}

wire::Ack TestWorker::put(const wire::ServerConfig& server) {
  wire::WorkerConfig config;
  config.servers = {server};
  send(wire::FrameType::config, to_json(config));
  return expect_ack();
}

wire::ServerConfig TestWorker::tcp_config(const std::vector<std::uint16_t>& backends) const {
  wire::ServerConfig server{.id = "s", .tenant_id = "t", .name = "db", .type = "tcp", .generation = 1};
  for (const std::uint16_t port : backends)
    server.backends.push_back({.id = std::to_string(port), .host = "127.0.0.1", .port = port});
  server.listen_port = port_;
  return server;
}

std::uint16_t TestWorker::listen(const std::string& server_id) {
  if (!listening_) listening_ = listen_anywhere(port_);
  const wire::ListenFrame frame{.seq = ++seq_, .server_id = server_id};
  send(wire::FrameType::listen, to_json(frame), listening_.get());
  if (const wire::Ack ack = expect_ack(); !ack.error.empty()) throw std::runtime_error(ack.error);
  return port_;
}

std::uint16_t TestWorker::serve_tcp(const std::vector<std::uint16_t>& backends,
                                    const std::function<void(wire::ServerConfig&)>& change) {
  wire::ServerConfig server = tcp_config(backends);
  if (change) change(server);
  if (const wire::Ack ack = put(server); !ack.error.empty()) throw std::runtime_error(ack.error);
  return listen(server.id);
}

void TestWorker::unlisten(const std::string& server_id, std::int64_t drain_timeout_ms, bool forget) {
  const wire::ListenFrame frame{
      .seq = ++seq_, .server_id = server_id, .drain_timeout_ms = drain_timeout_ms, .forget = forget};
  send(wire::FrameType::unlisten, to_json(frame));
  if (const wire::Ack ack = expect_ack(); !ack.error.empty()) throw std::runtime_error(ack.error);
}

wire::CounterTotals TestWorker::counters(const std::function<bool(const wire::CounterTotals&)>& settled,
                                         std::size_t slot) const {
  const auto limit = steady_clock::now() + 10s;
  while (true) {
    wire::CounterTotals totals = wire::read_counters(counters_.get(), names_.get()).servers.at(slot);
    if (settled(totals) || steady_clock::now() > limit) return totals;
    ::poll(nullptr, 0, 1);
  }
}

void TestWorker::kill() { ::kill(pid_, SIGKILL); }

int TestWorker::wait_for_exit() {
  const auto limit = steady_clock::now() + 20s;
  int status = 0;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (steady_clock::now() > limit) throw std::runtime_error("the worker did not exit within 20 s");
    ::poll(nullptr, 0, 5);
  }
  pid_ = -1;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::uint64_t count_of(const wire::CounterTotals& totals, Reason reason) {
  return totals.reasons.at(static_cast<std::size_t>(reason));
}

}  // namespace arcus::test
