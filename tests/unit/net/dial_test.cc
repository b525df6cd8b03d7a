#include <doctest/doctest.h>

#include <filesystem>
#include <set>

#include "lib/net/dial.h"
#include "lib/net/resolv_conf.h"
#include "tests/unit/net/fake_dns.h"
#include "tests/unit/net/loop.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

namespace {

struct Outcome final : DialHandler {
  Reason on_address(const Endpoint& one) override {
    judged.push_back(one);
    return denied.contains(one.address.to_string()) ? Reason::destination_denied : Reason::ok;
  }
  Stream on_reuse(const Endpoint&) override { return std::move(idle); }
  void on_dialed(Stream its_stream, const Endpoint& its_address, bool its_reused) override {
    stream = std::move(its_stream);
    address = its_address;
    reused = its_reused;
  }
  void on_dial_failed(Reason its_reason) override { failure = its_reason; }
  bool over() const { return stream.valid() || failure != Reason::ok; }

  std::set<std::string> denied;
  std::vector<Endpoint> judged;
  Stream idle;
  Stream stream;
  Endpoint address;
  bool reused = false;
  Reason failure = Reason::ok;
};

int open_descriptors() {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    static_cast<void>(entry);
    ++count;
  }
  return count;
}

/// A listener whose queue is full: the kernel drops what else would connect.
UniqueFd full_listener(const Endpoint& at) {
  static std::vector<UniqueFd> fillers;
  UniqueFd fd = socket::listen(at, 0);
  const Endpoint there = socket::local_endpoint(fd.get());
  fillers.push_back(socket::connect(there, std::nullopt));
  fillers.push_back(socket::connect(there, std::nullopt));
  return fd;
}

struct BlackHole {
  UniqueFd fd = full_listener(local(0));
  std::uint16_t port = socket::local_endpoint(fd.get()).port;
  /// Takes everybody from now on, as soon as the kernel asks again.
  void open() {
    ::listen(fd.get(), 16);
    Endpoint peer;
    while (socket::accept(fd.get(), peer)) continue;
  }
};

/// Takes questions and never answers.
struct MuteDns {
  MuteDns() {
    sockaddr_storage storage;
    const socklen_t size = local(0).to(storage);
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0);
  }
  std::string resolv_conf() const {
    return "nameserver 127.0.0.1#" + std::to_string(socket::local_endpoint(fd.get()).port) + "\n";
  }
  UniqueFd fd{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

struct Query final : ResolveQuery {
  ~Query() override { cancel(); }
  void on_resolved(Reason its_reason, std::span<const IpAddress> its_addresses) override {
    reason = its_reason;
    addresses.assign(its_addresses.begin(), its_addresses.end());
  }
  std::optional<Reason> reason;
  std::vector<IpAddress> addresses;
};

}  // namespace

TEST_CASE("dial: a literal connects without a look-up, and nothing is told inside start") {
  Loop loop;
  Listening listening;
  Outcome outcome;
  Dialer dialer(loop.net, outcome);
  dialer.start({.host = "127.0.0.1", .port = listening.port});
  CHECK_FALSE(outcome.over());
  CHECK(dialer.is_active());
  CHECK(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.stream.valid());
  CHECK(outcome.stream.writable());
  CHECK(outcome.address == local(listening.port));
  CHECK_FALSE(dialer.is_active());
}

TEST_CASE("dial: refused, denied and unknown each have their reason") {
  Loop loop;
  loop.resolver.configure({.resolv_conf = "", .hosts = "127.0.0.2 private.test\n"});
  std::uint16_t port = 0;
  { port = Listening().port; }
  struct Row {
    const char* host;
    Reason reason;
  };
  for (const Row& row :
       {Row{"127.0.0.1", Reason::connect_refused}, Row{"127.0.0.2", Reason::destination_denied},
        Row{"private.test", Reason::destination_denied}, Row{"bad..name", Reason::dns_failed}}) {
    CAPTURE(row.host);
    Outcome outcome;
    outcome.denied = {"127.0.0.2"};
    Dialer dialer(loop.net, outcome);
    dialer.start({.host = row.host, .port = port});
    CHECK_FALSE(outcome.over());
    CHECK(loop.until([&] { return outcome.over(); }));
    CHECK(outcome.failure == row.reason);
  }
}

TEST_CASE("dial: the next allowed address is tried when one refuses, a denied one never") {
  Loop loop;
  Listening listening;
  loop.resolver.configure({.resolv_conf = "", .hosts = "127.0.0.3 many\n127.0.0.2 many\n127.0.0.1 many\n"});
  Outcome outcome;
  outcome.denied = {"127.0.0.3"};
  Dialer dialer(loop.net, outcome);
  dialer.start({.host = "MANY.", .port = listening.port});
  CHECK(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.judged.size() == 3);
  CHECK(outcome.address == local(listening.port));
}

TEST_CASE("dial: the families take turns, IPv6 first, and three addresses are the most") {
  Loop loop;
  Listening listening;
  loop.resolver.configure(
      {.resolv_conf = "", .hosts = "127.0.0.5 six\n127.0.0.1 six\n127.0.0.6 six\n::5 six\n::6 six\n"});
  Outcome outcome;
  Dialer dialer(loop.net, outcome);
  dialer.start({.host = "six", .port = listening.port, .timeout = 3'000ms});
  CHECK(loop.until([&] { return outcome.over(); }));
  std::vector<std::string> order;
  for (const Endpoint& one : outcome.judged) order.push_back(one.address.to_string());
  CHECK(order == std::vector<std::string>{"::5", "127.0.0.5", "::6", "127.0.0.1", "127.0.0.6"});
  CHECK_FALSE(outcome.stream.valid());  // the fourth would have answered
}

TEST_CASE("dial: an address that does not answer costs 250 ms, and its connection is closed") {
  Loop loop;
  BlackHole hole;
  const UniqueFd beside = socket::listen({IpAddress::v4(INADDR_LOOPBACK + 1), hole.port}, 16);
  REQUIRE(beside);
  loop.resolver.configure({.resolv_conf = "", .hosts = "127.0.0.1 two\n127.0.0.2 two\n"});
  Outcome outcome;
  Dialer dialer(loop.net, outcome);
  const int before = open_descriptors();
  const SteadyTime start = std::chrono::steady_clock::now();
  dialer.start({.host = "two", .port = hole.port});
  CHECK(loop.until([&] { return outcome.over(); }));
  const auto took = std::chrono::steady_clock::now() - start;
  CHECK(outcome.address.address.to_string() == "127.0.0.2");
  CHECK(took >= Dialer::stagger - 10ms);  // the thread's clock is that of its last wake-up
  CHECK(took < 2'000ms);
  CHECK(open_descriptors() == before + 1);
}

TEST_CASE("dial: a slow address may still win while a later one is under way") {
  Loop loop;
  BlackHole slow;
  const UniqueFd second = full_listener({IpAddress::v4(INADDR_LOOPBACK + 1), slow.port});
  loop.resolver.configure({.resolv_conf = "", .hosts = "127.0.0.1 two\n127.0.0.2 two\n"});
  Outcome outcome;
  Dialer dialer(loop.net, outcome);
  const int before = open_descriptors();
  dialer.start({.host = "two", .port = slow.port});
  CHECK(loop.until([&] { return open_descriptors() == before + 2; }));  // both under way
  slow.open();
  CHECK(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.address.address.to_string() == "127.0.0.1");
  CHECK(open_descriptors() <= before + 1);
}

TEST_CASE("dial: nobody answers within the time: connect_timeout, and nothing stays open") {
  Loop loop;
  BlackHole hole;
  Outcome outcome;
  const int before = open_descriptors();
  Dialer dialer(loop.net, outcome);
  dialer.start({.host = "127.0.0.1", .port = hole.port, .timeout = 50ms});
  CHECK(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.failure == Reason::connect_timeout);
  CHECK(open_descriptors() == before);
}

TEST_CASE("dial: a connection that is there already is taken instead") {
  Loop loop;
  auto [mine, theirs] = tcp_pair();
  Outcome outcome;
  outcome.idle = Stream(loop.poller, std::move(mine));
  Dialer dialer(loop.net, outcome);
  dialer.start({.host = "127.0.0.1", .port = 1});
  CHECK_FALSE(outcome.over());
  CHECK(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.reused);
}

TEST_CASE("dial: the whole time is bounded, and stop() silences it") {
  Loop loop;
  loop.resolver.configure({.resolv_conf = "nameserver 127.0.0.1#9\noptions timeout:30\n", .hosts = ""});
  const MuteDns mute;
  loop.resolver.configure({.resolv_conf = mute.resolv_conf(), .hosts = ""});
  Outcome outcome;
  Dialer dialer(loop.net, outcome);
  dialer.start({.host = "slow.test", .port = 80, .timeout = 50ms});
  CHECK(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.failure == Reason::dns_failed);
  Outcome silent;
  Dialer stopped(loop.net, silent);
  stopped.start({.host = "slow.test", .port = 80, .timeout = 20ms});
  stopped.stop();
  const SteadyTime later = std::chrono::steady_clock::now() + 50ms;
  loop.until([&] { return std::chrono::steady_clock::now() > later; });
  CHECK_FALSE(silent.over());
}

TEST_CASE("resolver: answers are shared, cached, and failures too") {
  Loop loop;
  FakeDns dns({{"web.test", {0x7f000001, 0x7f000002}}});
  loop.resolver.configure({.resolv_conf = dns.resolv_conf(), .hosts = "127.0.0.9 fixed\n"});
  Query one, two, three, missing, fixed;
  loop.resolver.resolve("web.test", one);
  loop.resolver.resolve("WEB.test.", two);
  loop.resolver.resolve("nothing.test", missing);
  loop.resolver.resolve("fixed", fixed);
  CHECK_FALSE(fixed.reason);
  CHECK(loop.until([&] { return one.reason && two.reason && missing.reason && fixed.reason; }));
  CHECK(*one.reason == Reason::ok);
  CHECK(one.addresses == std::vector{IpAddress::v4(0x7f000001), IpAddress::v4(0x7f000002)});
  CHECK(two.addresses == one.addresses);
  CHECK(*missing.reason == Reason::dns_failed);
  CHECK(fixed.addresses == std::vector{IpAddress::v4(0x7f000009)});
  const int asked = dns.questions();
  loop.resolver.resolve("web.test", three);
  CHECK(loop.until([&] { return three.reason.has_value(); }));
  CHECK(dns.questions() == asked);
  CHECK(loop.resolver.known("web.test").size() == 2);
  CHECK(loop.resolver.cached_names() == 2);
}

TEST_CASE("resolver: a cancelled query hears nothing, one in flight survives new settings") {
  Loop loop;
  FakeDns dns({{"web.test", {0x7f000001}}});
  loop.resolver.configure({.resolv_conf = "nameserver 127.0.0.1#1\n", .hosts = ""});
  Query kept;
  {
    Query dropped;
    loop.resolver.resolve("web.test", dropped);
  }
  loop.resolver.resolve("web.test", kept);
  loop.resolver.configure({.resolv_conf = dns.resolv_conf(), .hosts = ""});
  CHECK(loop.until([&] { return kept.reason.has_value(); }));
  CHECK(*kept.reason == Reason::ok);
}

TEST_CASE(
    "resolver: a nameserver that says nothing costs its timeout, then the next is asked; both: no answer") {
  Loop loop;
  FakeDns dns({{"web.test", {0x7f000001}}});
  const MuteDns mute;
  const std::string options = "options timeout:1 attempts:1\n";
  loop.resolver.configure({.resolv_conf = mute.resolv_conf() + dns.resolv_conf() + options, .hosts = ""});
  Query answered, given_up;
  loop.resolver.resolve("web.test", answered);
  CHECK(loop.until([&] { return answered.reason.has_value(); }));
  CHECK(*answered.reason == Reason::ok);
  CHECK(answered.addresses == std::vector{IpAddress::v4(0x7f000001)});
  loop.resolver.configure({.resolv_conf = mute.resolv_conf() + options, .hosts = ""});
  loop.resolver.resolve("web.test", given_up);
  CHECK(loop.until([&] { return given_up.reason.has_value(); }));
  CHECK(*given_up.reason == Reason::dns_failed);
}

TEST_CASE("resolv.conf and hosts: what counts is read, the rest is ignored") {
  const ResolvConf conf = parse_resolv_conf(
      "# comment\nnameserver 10.0.0.1 ; note\nnameserver ::1\nnameserver fe80::1%eth0\nnameserver junk\n"
      "search a.test b.test\noptions ndots:2 timeout:5 attempts:9 rotate\n");
  CHECK(conf.servers == std::vector<std::string>{"10.0.0.1:53", "[::1]:53"});
  CHECK(conf.search == std::vector<std::string>{"a.test", "b.test"});
  CHECK(conf.ndots == 2);
  CHECK(conf.timeout_ms == 5'000);
  CHECK(conf.attempts == 5);
  CHECK(parse_resolv_conf("").servers == std::vector<std::string>{"127.0.0.1:53"});
  const HostsTable hosts =
      parse_hosts("127.0.0.1\tlocalhost Loop # x\n::1 localhost\nbad line\n127.0.0.1 loop\n");
  CHECK(hosts.at("localhost").size() == 2);
  CHECK(hosts.at("loop").size() == 1);
}
