#include <doctest/doctest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

#include "lib/base/error.h"
#include "lib/daemon/listen_socket.h"
#include "lib/daemon/notify.h"
#include "lib/daemon/refuser.h"
#include "tests/unit/daemon/support.h"

using namespace arcus;
using namespace arcus::daemon;

namespace {

Endpoint any_port(const char* address) { return {.address = *IpAddress::parse(address), .port = 0}; }

UniqueFd connect_to(const Endpoint& target) {
  UniqueFd fd{::socket(target.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_storage address{};
  const socklen_t length = target.to(address);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) fd.reset();
  return fd;
}

}  // namespace

TEST_CASE("listen socket: port 0 becomes a real port that clients reach") {
  for (const char* address : {"127.0.0.1", "::1"}) {
    CAPTURE(address);
    const ListenSocket listener = open_listen_socket(any_port(address), 16);
    CHECK(listener.bound.port != 0);
    const UniqueFd client = connect_to(listener.bound);
    CHECK(client);
    const UniqueFd accepted{::accept(listener.fd.get(), nullptr, nullptr)};
    int no_delay = 0;
    socklen_t size = sizeof no_delay;
    CHECK(::getsockopt(accepted.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &size) == 0);
    CHECK(no_delay == 1);
  }
}

TEST_CASE("listen socket: a taken port is a conflict that names its holder and pid") {
  const ListenSocket first = open_listen_socket(any_port("127.0.0.1"), 16);
  std::string text;
  try {
    open_listen_socket(first.bound, 16);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::conflict);
    text = error.what();
  }
  CHECK(text.find("cannot listen on " + first.bound.to_string() + ", in use by ") == 0);
  CHECK(text.find("(pid " + std::to_string(::getpid()) + ")") != std::string::npos);
}

TEST_CASE("listen socket: two listeners never share a port, wildcard or not") {
  const ListenSocket wild = open_listen_socket(any_port("0.0.0.0"), 16);
  CHECK_THROWS_AS(open_listen_socket({*IpAddress::parse("127.0.0.1"), wild.bound.port}, 16), Error);
  CHECK_THROWS_AS(open_listen_socket({*IpAddress::parse("::"), wild.bound.port}, 16), Error);
}

TEST_CASE("listen socket: a freed port can be had again at once, connections in TIME_WAIT or not") {
  ListenSocket first = open_listen_socket(any_port("127.0.0.1"), 16);
  const Endpoint where = first.bound;
  {
    const UniqueFd client = connect_to(where);
    const UniqueFd served{::accept(first.fd.get(), nullptr, nullptr)};
    REQUIRE(served);
    ::shutdown(served.get(), SHUT_RDWR);  // ours is the side that keeps TIME_WAIT
  }
  ::shutdown(first.fd.get(), SHUT_RDWR);
  CHECK_NOTHROW(open_listen_socket(where, 16));  // although the first descriptor is still open
}

TEST_CASE("listen socket: an address that is not ours says so") {
  CHECK_THROWS_WITH_AS(open_listen_socket({*IpAddress::parse("203.0.113.7"), 0}, 16),
                       "cannot listen on 203.0.113.7:0: this host has no such address", Error);
}

TEST_CASE("refuser: connections that wait and that come are reset; after it they wait again") {
  asio::io_context io;
  const ListenSocket listener = open_listen_socket(any_port("127.0.0.1"), 16);
  const UniqueFd waiting = connect_to(listener.bound);
  REQUIRE(waiting);
  const auto was_reset = [&io](const UniqueFd& client) {
    std::array<char, 1> byte{};
    return run_until(
        io, [&] { return ::recv(client.get(), byte.data(), 1, MSG_DONTWAIT) < 0 && errno == ECONNRESET; });
  };
  {
    Refuser refuser{io};
    refuser.watch(listener.fd.get());
    CHECK(was_reset(waiting));
    const UniqueFd late = connect_to(listener.bound);
    CHECK(was_reset(late));
  }
  const UniqueFd patient = connect_to(listener.bound);
  io.restart();
  io.poll();
  std::array<char, 1> byte{};
  CHECK(::recv(patient.get(), byte.data(), 1, MSG_DONTWAIT) < 0);
  CHECK(errno == EAGAIN);
}

TEST_CASE("notify: datagrams reach the manager, path or abstract name; without one nothing happens") {
  const TestFolder folder;
  const std::string path = folder.path / "notify";
  const std::string abstract = "@arcus-test-" + std::to_string(::getpid());
  for (const std::string& name : {path, abstract}) {
    CAPTURE(name);
    const UniqueFd manager{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
    const Notifier notifier{name, std::chrono::seconds{30}};
    CHECK(notifier.watchdog_interval() == std::chrono::seconds{15});
    notifier.ready("1 of 1 server running");
    std::array<char, 256> text{};
    const auto n = ::recv(manager.get(), text.data(), text.size(), MSG_DONTWAIT);
    REQUIRE(n > 0);
    CHECK(std::string_view{text.data(), static_cast<std::size_t>(n)}.starts_with(
        "READY=1\nSTATUS=1 of 1 server running\nMAINPID="));
  }
  const Notifier nobody;
  nobody.ready("x");
  CHECK_FALSE(nobody.watchdog_interval());
}
