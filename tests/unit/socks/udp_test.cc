#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <stdexcept>
#include <string>

#include "tests/unit/net/fake_dns.h"
#include "tests/unit/socks/fixture.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::string_literals;

namespace {

sockaddr* generic(sockaddr_storage& storage) { return reinterpret_cast<sockaddr*>(&storage); }

/// A UDP socket on a local address.
class Udp {
 public:
  explicit Udp(const char* address = "127.0.0.1")
      : fd_(::socket(IpAddress::parse(address)->is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_storage storage;
    const socklen_t size = Endpoint{*IpAddress::parse(address), 0}.to(storage);
    if (::bind(fd_.get(), generic(storage), size) != 0) throw std::runtime_error("bind");
    socklen_t length = sizeof storage;
    ::getsockname(fd_.get(), generic(storage), &length);
    local = Endpoint::from(storage);
  }
  void send(const Endpoint& to, const std::string& bytes) {
    sockaddr_storage storage;
    const socklen_t size = to.to(storage);
    if (::sendto(fd_.get(), bytes.data(), bytes.size(), 0, generic(storage), size) < 0)
      throw std::runtime_error("sendto");
  }
  /// The next datagram; "nothing" when none comes in time.
  std::string receive(int timeout_ms = 10'000) {
    pollfd ready{fd_.get(), POLLIN, 0};
    if (::poll(&ready, 1, timeout_ms) <= 0) return "nothing";
    std::array<char, 65536> buffer;
    sockaddr_storage storage;
    socklen_t length = sizeof storage;
    const ssize_t n = ::recvfrom(fd_.get(), buffer.data(), buffer.size(), 0, generic(storage), &length);
    from = Endpoint::from(storage);
    return n < 0 ? "nothing" : std::string(buffer.data(), static_cast<std::size_t>(n));
  }

  Endpoint local;
  Endpoint from;  ///< of the last received

 private:
  UniqueFd fd_;
};

void with_udp(wire::ServerConfig& config) { config.config["commands"] = "connect,udp"; }

/// The head of a datagram to or from there.
std::string head(std::string_view host, std::uint16_t port) {
  return "\0\0\0"s + request5(host, port).substr(3);
}
std::string head(const Endpoint& place) { return head(place.address.to_string(), place.port); }

/// A client with an association.
struct Associated {
  explicit Associated(SocksWorker& proxy, std::string_view host = "0.0.0.0", std::uint16_t port = 0)
      : control(proxy.port()) {
    const Reply reply = ask(control, request5(host, port, 3));
    code = reply.code;
    relay = reply.bound;
  }
  void send(const std::string& bytes) { socket.send(relay, bytes); }

  Client control;
  Udp socket;
  Endpoint relay;
  int code = 255;
};

}  // namespace

TEST_CASE("udp: datagrams go out and come back with the address they came from, counted exactly") {
  SocksWorker proxy(with_udp);
  Associated client(proxy);
  CHECK(client.code == 0);
  CHECK(client.relay.address.to_string() == "127.0.0.1");
  Udp peer;
  client.send(head(peer.local) + "ping");
  CHECK(peer.receive() == "ping");
  peer.send(peer.from, "pong");
  CHECK(client.socket.receive() == head(peer.local) + "pong");
  CHECK(client.socket.from == client.relay);
  client.send(head(peer.local));
  CHECK(peer.receive().empty());
  const std::string big(60'000, 'b');
  client.send(head(peer.local) + big);
  CHECK(peer.receive() == big);
  peer.send(peer.from, big);
  CHECK(client.socket.receive() == head(peer.local) + big);
  client.control.close();
  const auto totals = proxy.after(1);
  CHECK(count_of(totals, Reason::ok) == 1);
  CHECK(totals.total_requests == 1);
  CHECK(totals.bytes_in == 3 + 10 + (10 + 4) + 10 + (10 + big.size()));
  CHECK(totals.bytes_out == 2 + 10 + (10 + 4) + (10 + big.size()));
}

TEST_CASE("udp: names are resolved here, from the hosts text or by a look-up") {
  FakeDns dns({{"peer.test", {INADDR_LOOPBACK}}});
  SocksWorker proxy(with_udp);
  proxy.worker().send(
      wire::FrameType::resolver,
      to_json(wire::ResolverConfig{.resolv_conf = dns.resolv_conf(), .hosts = "127.0.0.1 localhost\n"}));
  Associated client(proxy);
  Udp peer;
  for (const char* name : {"localhost", "peer.test", "peer.test"}) {
    client.send(head(name, peer.local.port) + name);
    CHECK(peer.receive() == name);
    peer.send(peer.from, "pong");
    CHECK(client.socket.receive() == head(peer.local) + "pong");
  }
}

TEST_CASE("udp: IPv6 destinations by address") {
  SocksWorker proxy(with_udp);
  Associated client(proxy);
  Udp peer("::1");
  client.send(head(peer.local) + "ping");
  CHECK(peer.receive() == "ping");
  peer.send(peer.from, "pong");
  CHECK(client.socket.receive() == head(peer.local) + "pong");
}

TEST_CASE("udp: fragments, junk, closed networks and denied ports are dropped, one by one") {
  SocksWorker proxy(with_udp);
  Associated client(proxy);
  Udp peer;
  std::string fragment = head(peer.local) + "fragment";
  fragment[2] = 1;
  client.send(fragment);
  client.send("");
  client.send("junk");
  client.send("\0\0\0\1\x7f"s);
  client.send(head("10.0.0.1", peer.local.port) + "private");
  client.send(head("ten.test", peer.local.port) + "private by name");
  client.send(head("127.1", peer.local.port) + "odd spelling");
  client.send(head("127.0.0.1", 25) + "denied port");
  client.send(head("127.0.0.1", proxy.port()) + "ourselves");
  client.send(head("127.0.0.1", 0) + "port zero");
  client.send(head(peer.local) + "good");
  CHECK(peer.receive() == "good");
  client.control.close();
  CHECK(proxy.after(1).bytes_in == 3 + 10 + 10 + 4);
}

TEST_CASE("udp: only the client may send, from one port; only who was sent to may answer") {
  SocksWorker proxy(with_udp);
  Associated client(proxy);
  Udp peer, second_socket, stranger;
  Udp elsewhere("127.0.0.7");
  elsewhere.send(client.relay, head(peer.local) + "from another address");
  client.send("junk does not claim the port");
  client.send(head(peer.local) + "first");
  CHECK(peer.receive() == "first");
  second_socket.send(client.relay, head(peer.local) + "from another port");
  stranger.send(peer.from, "unasked");
  peer.send(peer.from, "asked");
  CHECK(client.socket.receive() == head(peer.local) + "asked");
  client.send(head(peer.local) + "second");
  CHECK(peer.receive() == "second");
}

TEST_CASE("udp: a declared port is the only one; a translated declaration counts as none") {
  SocksWorker proxy(with_udp);
  Udp peer, declared;
  {
    Client control(proxy.port());
    const Reply reply = ask(control, request5("127.0.0.1", declared.local.port, 3));
    Udp other;
    other.send(reply.bound, head(peer.local) + "other");
    declared.send(reply.bound, head(peer.local) + "declared");
    CHECK(peer.receive() == "declared");
  }
  Associated translated(proxy, "192.168.1.5", 9);
  translated.send(head(peer.local) + "translated");
  CHECK(peer.receive() == "translated");
}

TEST_CASE("udp: the relay ends with the control connection, and after udp_timeout without a datagram") {
  SocksWorker proxy([](wire::ServerConfig& config) {
    with_udp(config);
    config.config["udp_timeout"] = "1s";
  });
  Udp peer;
  {
    Associated client(proxy);
    client.control.send("what is said here is of no interest");
    client.send(head(peer.local) + "ping");
    CHECK(peer.receive() == "ping");
    client.control.shutdown_write();
    CHECK(client.control.receive_all().empty());
    CHECK(count_of(proxy.after(1), Reason::ok) == 1);
    peer.send(peer.from, "late");
    CHECK(client.socket.receive(50) == "nothing");
  }
  Associated idle(proxy);
  CHECK(idle.code == 0);
  for (int i = 0; i < 3; ++i) {
    idle.send(head(peer.local) + "ping");
    CHECK(peer.receive() == "ping");
    CHECK(peer.receive(400) == "nothing");
  }
  CHECK(idle.control.receive_all().empty());
  CHECK(count_of(proxy.after(2), Reason::idle_timeout) == 1);
}

TEST_CASE("udp: the advertised address and the ports are those of the options") {
  std::uint16_t port = Udp().local.port;
  SocksWorker proxy([&](wire::ServerConfig& config) {
    with_udp(config);
    config.config["udp_advertise"] = "203.0.113.9";
    config.config["udp_ports"] = std::to_string(port);
  });
  Associated first(proxy);
  CHECK(first.code == 0);
  CHECK(first.relay == Endpoint{*IpAddress::parse("203.0.113.9"), port});
  Associated none_left(proxy);
  CHECK(none_left.code == 1);
  first.control.close();
  CHECK(count_of(proxy.after(2), Reason::local_resource) == 1);
  Associated again(proxy);
  CHECK(again.code == 0);
}

TEST_CASE("udp: a tenant has 64 associations at the most") {
  SocksWorker proxy(with_udp);
  std::vector<std::unique_ptr<Associated>> all;
  for (int i = 0; i < 64; ++i) {
    all.push_back(std::make_unique<Associated>(proxy));
    CHECK(all.back()->code == 0);
  }
  CHECK(Associated(proxy).code == 1);
  CHECK(count_of(proxy.after(1), Reason::limit_tenant) == 1);
  all.pop_back();
  proxy.after(2);
  CHECK(Associated(proxy).code == 0);
}

TEST_CASE("udp: rules that tighten stop datagrams and answers") {
  SocksWorker proxy(with_udp);
  Associated client(proxy);
  Udp peer, other;
  client.send(head(peer.local) + "ping");
  CHECK(peer.receive() == "ping");
  wire::ServerConfig tighter = proxy.config();
  tighter.generation = 3;
  tighter.rules.insert(
      tighter.rules.begin(),
      {.number = 1, .allow = false, .port_first = peer.local.port, .port_last = peer.local.port});
  CHECK(proxy.worker().put(tighter).error.empty());
  peer.send(peer.from, "answer");
  client.send(head(peer.local) + "again");
  client.send(head(other.local) + "elsewhere");
  CHECK(other.receive() == "elsewhere");
  CHECK(peer.receive(0) == "nothing");
  other.send(other.from, "allowed");
  CHECK(client.socket.receive() == head(other.local) + "allowed");
  tighter.generation = 4;
  tighter.rules.insert(tighter.rules.begin(), {.number = 2, .allow = false, .client = "127.0.0.0/8"});
  CHECK(proxy.worker().put(tighter).error.empty());
  CHECK(client.control.receive_all().empty());
  CHECK(Associated(proxy).code == 2);
  client.send(head(other.local) + "denied");
  tighter.generation = 5;
  tighter.rules.erase(tighter.rules.begin());
  CHECK(proxy.worker().put(tighter).error.empty());
  Associated again(proxy);
  again.send(head(other.local) + "allowed again");
  CHECK(other.receive() == "allowed again");
}

TEST_CASE("udp: a name that nobody answers for holds up nothing, and a full queue drops") {
  FakeDns dns({});
  SocksWorker proxy(with_udp);
  proxy.worker().send(wire::FrameType::resolver,
                      to_json(wire::ResolverConfig{.resolv_conf = dns.resolv_conf(), .hosts = ""}));
  Associated client(proxy);
  Udp peer;
  for (int i = 0; i < 60; ++i) client.send(head("n" + std::to_string(i) + ".test", 80) + "lost");
  client.send(head(peer.local) + "good");
  CHECK(peer.receive() == "good");
}

TEST_CASE("udp, bind: what leaves and what listens is on the tenant's egress address") {
  SocksWorker proxy;
  proxy.worker().put_tenant({.id = "t", .name = "acme", .egress_addr = "127.0.0.3"});
  wire::ServerConfig config = proxy.config();
  config.config["commands"] = "bind,connect,udp";
  config.generation = 3;
  CHECK(proxy.worker().put(config).error.empty());
  Associated client(proxy);
  CHECK(client.relay.address.to_string() == "127.0.0.1");
  Udp peer;
  client.send(head(peer.local) + "ping");
  CHECK(peer.receive() == "ping");
  CHECK(peer.from.address.to_string() == "127.0.0.3");
  Client control(proxy.port());
  CHECK(ask(control, request5("127.0.0.1", 21, 2)).bound.address.to_string() == "127.0.0.3");
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("udp: a confined worker can do it too") {
  SocksWorker proxy({.threads = 1, .sandbox = "auto"}, with_udp);
  CHECK(proxy.worker().ready().seccomp);
  Associated client(proxy);
  Udp peer;
  client.send(head(peer.local) + "ping");
  CHECK(peer.receive() == "ping");
  peer.send(peer.from, "pong");
  CHECK(client.socket.receive() == head(peer.local) + "pong");
}
#endif
