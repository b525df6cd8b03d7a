#include <doctest/doctest.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <iterator>

#include "lib/base/error.h"
#include "lib/daemon/detach.h"
#include "lib/daemon/worker_process.h"
#include "lib/wire/frame.h"
#include "lib/wire/messages.h"
#include "tests/unit/daemon/support.h"

using namespace arcus;
using namespace arcus::daemon;

static bool has_ended(const WorkerProcess& process) {
  pollfd waiting{.fd = process.pidfd(), .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, 10'000) == 1;
}

TEST_CASE("worker process: this program again with the channel as descriptor 3") {
  auto [ours, theirs] = wire::make_channel_pair();
  WorkerProcess process{std::move(theirs)};
  wire::FrameChannel channel{std::move(ours)};
  channel.send(wire::FrameType::hello, to_json(wire::Hello{}));
  pollfd waiting{.fd = channel.fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&waiting, 1, 10'000) == 1);
  const auto frame = channel.receive();
  REQUIRE(frame);
  CHECK(frame->type == wire::FrameType::ready);
  CHECK(wire::from_json<wire::Ready>(frame->body).pid == process.pid());
  channel.send(wire::FrameType::drain, "{}");
  REQUIRE(has_ended(process));
  CHECK(process.reap().is_clean());
}

TEST_CASE("worker process: how it died is told") {
  auto [ours, theirs] = wire::make_channel_pair();
  WorkerProcess process{std::move(theirs)};
  process.kill(SIGKILL);
  REQUIRE(has_ended(process));
  CHECK(process.reap().to_string() == "signal 9");
}

TEST_CASE("worker process: it ends when its daemon's end of the channel is gone") {
  auto [ours, theirs] = wire::make_channel_pair();
  WorkerProcess process{std::move(theirs)};
  ours.reset();
  REQUIRE(has_ended(process));
  CHECK(process.reap().is_clean());
}

TEST_CASE("worker process: a program that is not there is an exit code, not a hang") {
  auto [ours, theirs] = wire::make_channel_pair();
  WorkerProcess process{std::move(theirs), {}, "/nonexistent/program"};
  REQUIRE(has_ended(process));
  CHECK(process.reap().to_string() == "exit code 127");
}

/// Runs `body` in a process that has just detached, as `run -d` does; returns what the parent is told.
template <typename Body>
static ReadyReport detached(const std::string& log, Body body) {
  Detached result = detach(log);
  if (result.parent) return *result.parent;
  body(result.child);
  ::_exit(0);
}

TEST_CASE("detach: the parent gets the report, the child's output goes to the log") {
  const TestFolder folder;
  const std::string log = folder.path / "log" / "daemon.log";
  const auto report = detached(log, [](ReadyPipe& pipe) {
    constexpr std::string_view line = "written by the child\n";
    const auto n = ::write(STDERR_FILENO, line.data(), line.size());
    pipe.report({.exit_code = n > 0 ? 6 : 1, .text = "pid 1, 1 of 2 servers running"});
  });
  CHECK(report.exit_code == 6);
  CHECK(report.text == "pid 1, 1 of 2 servers running");
  std::ifstream in{log};
  CHECK(std::string{std::istreambuf_iterator<char>{in}, {}} == "written by the child\n");
}

TEST_CASE("detach: a child that dies before it is ready is an error, not a wait") {
  const auto killed = detached("", [](ReadyPipe&) { ::raise(SIGKILL); });
  CHECK(killed.exit_code == 1);
  CHECK(killed.text == "the daemon died while starting: signal 9");
  const auto ended = detached("", [](ReadyPipe&) { ::_exit(3); });
  CHECK(ended.text == "the daemon ended while starting: exit code 3");
}

TEST_CASE("detach: a log that cannot be opened is an error before anything is forked") {
  CHECK_THROWS_AS(detach("/proc/nonexistent/daemon.log"), Error);
}
