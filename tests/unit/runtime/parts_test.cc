#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "lib/runtime/access.h"
#include "lib/runtime/access_log.h"
#include "lib/runtime/limits.h"
#include "lib/runtime/refusals.h"
#include "lib/runtime/server_config.h"

using namespace arcus;

static std::string line_of(AccessFormat format, const AccessRecord& record) {
  const AccessContext context{.tenant = "acme",
                              .server = "web",
                              .server_type = "http",
                              .client = {IpAddress::v4(0x0a000001), 4711},
                              .connection = 7,
                              .ended = WallTime(std::chrono::milliseconds(1'700'000'000'042)),
                              .duration = std::chrono::microseconds(12'345)};
  std::string line;
  format_access(format, context, record, line);
  return line;
}

TEST_CASE("access record: squid, combined and json lines") {
  const AccessRecord record{.reason = Reason::ok,
                            .response_time = std::chrono::microseconds(900),
                            .status = 200,
                            .method = "GET",
                            .target = "http://a.test/x?y=1",
                            .version = "HTTP/1.1",
                            .user = "bob",
                            .user_agent = "curl/8",
                            .content_type = "text/html",
                            .upstream = Endpoint{IpAddress::v4(0x7f000001), 80},
                            .bytes_in = 10,
                            .bytes_out = 512};
  CHECK(line_of(AccessFormat::squid, record) ==
        "1700000000.042     12 10.0.0.1 TCP_MISS/200 512 GET http://a.test/x?y=1 bob HIER_DIRECT/127.0.0.1 "
        "text/html\n");
  CHECK(line_of(AccessFormat::combined, record) ==
        "10.0.0.1 - bob [14/Nov/2023:22:13:20 +0000] \"GET http://a.test/x?y=1 HTTP/1.1\" 200 512 \"-\" "
        "\"curl/8\"\n");
  CHECK(line_of(AccessFormat::json, record) ==
        "{\"at\":\"2023-11-14T22:13:20.042Z\",\"tenant\":\"acme\",\"server\":\"web\",\"type\":\"http\","
        "\"connection\":7,\"client\":\"10.0.0.1\",\"client_port\":4711,\"reason\":\"ok\",\"status\":200,"
        "\"method\":\"GET\",\"target\":\"http://a.test/x?y=1\",\"version\":\"HTTP/1.1\",\"user\":\"bob\","
        "\"user_agent\":\"curl/8\",\"content_type\":\"text/"
        "html\",\"upstream\":\"127.0.0.1:80\",\"bytes_in\":10,"
        "\"bytes_out\":512,\"duration_us\":12345,\"response_us\":900}\n");
}

TEST_CASE("access record: nothing a client sends can break a line") {
  std::string every;
  for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
  const AccessRecord record{.method = every,
                            .target = every,
                            .version = every,
                            .user = every,
                            .referer = every,
                            .user_agent = every,
                            .content_type = every};
  for (const AccessFormat format : {AccessFormat::squid, AccessFormat::combined, AccessFormat::json}) {
    CAPTURE(static_cast<int>(format));
    const std::string line = line_of(format, record);
    REQUIRE(line.ends_with('\n'));
    for (const char c : line.substr(0, line.size() - 1)) CHECK(static_cast<unsigned char>(c) >= 0x20);
    CHECK(line.find('\x7f') == std::string::npos);
  }
  // The fields of a squid line stay ten.
  const std::string squid = line_of(AccessFormat::squid, record);
  int fields = 0;
  bool blank = true;
  for (const char c : squid) {
    if (blank && c != ' ' && c != '\n') ++fields;
    blank = c == ' ' || c == '\n';
  }
  CHECK(fields == 10);
}

TEST_CASE("access format: known names, squid for the rest") {
  CHECK(access_format("json") == AccessFormat::json);
  CHECK(access_format("combined") == AccessFormat::combined);
  CHECK(access_format("other") == AccessFormat::squid);
}

TEST_CASE("access log: lines arrive in order, a full queue says so, without a file it is off") {
  int wakes = 0;
  AccessLog log(2, [&] { ++wakes; });
  CHECK_FALSE(log.is_on());
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const UniqueFd reading{ends[0]};
  log.set_file(UniqueFd{ends[1]});
  CHECK(log.is_on());
  CHECK(log.add(0, "one\n"));
  CHECK(log.add(0, "two\n"));
  CHECK(wakes == 1);
  CHECK(log.flush() == 0);
  CHECK(log.add(1, "three\n"));
  CHECK(wakes == 2);
  log.flush();
  std::array<char, 64> got{};
  CHECK(std::string_view(got.data(), static_cast<std::size_t>(::read(reading.get(), got.data(),
                                                                     got.size()))) == "one\ntwo\nthree\n");
  log.set_file(UniqueFd{});
  CHECK_FALSE(log.is_on());
  const std::string big(1 << 20, 'x');
  for (int i = 0; i < 8; ++i) CHECK(log.add(0, big));
  CHECK_FALSE(log.add(0, big));
  CHECK(log.add(1, big));
}

static std::shared_ptr<ServerLimits> make_limits() {
  return std::make_shared<ServerLimits>(ServerLimits{
      std::make_shared<Gauge>(), std::make_shared<LimitGroup>(), std::make_shared<LimitGroup>()});
}

TEST_CASE("limits: asked in order, nothing is kept of a refusal, everything returns") {
  const auto limits = make_limits();
  limits->worker->set_limit(3);
  limits->tenant->connections.set_limit(2);
  limits->server->clients.set_limit(1);
  const IpAddress a = IpAddress::v4(1);
  const IpAddress b = IpAddress::v4(2);
  const IpAddress c = IpAddress::v4(3);
  Reason reason = Reason::internal;
  {
    const ConnectionSlot one = ConnectionSlot::take(limits, a, reason);
    CHECK(reason == Reason::ok);
    CHECK_FALSE(ConnectionSlot::take(limits, a, reason).holds());
    CHECK(reason == Reason::limit_client);
    CHECK(limits->tenant->connections.value() == 1);
    const ConnectionSlot two = ConnectionSlot::take(limits, b, reason);
    CHECK(reason == Reason::ok);
    CHECK_FALSE(ConnectionSlot::take(limits, c, reason).holds());
    CHECK(reason == Reason::limit_tenant);
    CHECK(limits->worker->value() == 2);
    limits->tenant->connections.set_limit(0);
    limits->server->connections.set_limit(2);
    CHECK_FALSE(ConnectionSlot::take(limits, c, reason).holds());
    CHECK(reason == Reason::limit_server);
    limits->worker->set_limit(2);
    CHECK_FALSE(ConnectionSlot::take(limits, c, reason).holds());
    CHECK(reason == Reason::limit_worker);
  }
  CHECK(limits->worker->value() == 0);
  CHECK(limits->tenant->connections.value() == 0);
  CHECK(limits->server->connections.value() == 0);
  CHECK(ConnectionSlot::take(limits, a, reason).holds());
}

TEST_CASE("limits: IPv6 clients count by /64, mapped IPv4 as IPv4") {
  const auto limits = make_limits();
  limits->server->clients.set_limit(1);
  Reason reason = Reason::internal;
  const ConnectionSlot one = ConnectionSlot::take(limits, *IpAddress::parse("2001:db8::1"), reason);
  CHECK_FALSE(ConnectionSlot::take(limits, *IpAddress::parse("2001:db8::ffff:2"), reason).holds());
  CHECK(ConnectionSlot::take(limits, *IpAddress::parse("2001:db8:0:1::1"), reason).holds());
  const ConnectionSlot four = ConnectionSlot::take(limits, *IpAddress::parse("10.0.0.1"), reason);
  CHECK_FALSE(ConnectionSlot::take(limits, *IpAddress::parse("::ffff:10.0.0.1"), reason).holds());
}

TEST_CASE("facts: an address of ours with a port of ours is ourselves") {
  WorkerFacts facts("1", "arcus-x");
  facts.set_local_addresses({IpAddress::v4(0x0a000001)});
  facts.add_port(8080);
  CHECK(facts.is_own({IpAddress::v4(0x0a000001), 8080}));
  CHECK(facts.is_own({*IpAddress::parse("::ffff:10.0.0.1"), 8080}));
  CHECK(facts.is_own({*IpAddress::parse("127.9.9.9"), 8080}));
  CHECK(facts.is_own({*IpAddress::parse("::"), 8080}));
  CHECK_FALSE(facts.is_own({IpAddress::v4(0x0a000001), 8081}));
  CHECK_FALSE(facts.is_own({IpAddress::v4(0x0a000002), 8080}));
  facts.remove_port(8080);
  CHECK_FALSE(facts.is_own({IpAddress::v4(0x0a000001), 8080}));
}

TEST_CASE("refusals: sums by server, reason and network; however many come from wherever, they stay few") {
  RefusalTally tally;
  CHECK(tally.note("a", Reason::acl_denied, *IpAddress::parse("192.0.2.7")));
  CHECK_FALSE(tally.note("a", Reason::acl_denied, *IpAddress::parse("192.0.2.200")));
  CHECK_FALSE(tally.note("a", Reason::acl_denied, *IpAddress::parse("::ffff:192.0.2.9")));
  tally.note("a", Reason::auth_failed, *IpAddress::parse("192.0.2.7"));
  tally.note("b", Reason::acl_denied, *IpAddress::parse("192.0.2.7"));
  tally.note("b", Reason::acl_denied, *IpAddress::parse("2001:db8:0:1:2:3:4:5"));
  tally.note("b", Reason::acl_denied, *IpAddress::parse("2001:db8:0:1::9"));
  std::string all;
  for (const auto& sum : tally.take())
    all += sum.server_id + " " + std::string{name_of(sum.reason)} + " " + sum.network_text() + " " +
           std::to_string(sum.count) + "\n";
  CHECK(all ==
        "a auth_failed 192.0.2.0/24 1\na acl_denied 192.0.2.0/24 3\nb acl_denied 2001:db8:0:1::/64 2\n"
        "b acl_denied 192.0.2.0/24 1\n");
  CHECK(tally.take().empty());

  for (std::uint32_t i = 0; i < 100'000; ++i) tally.note("a", Reason::acl_denied, IpAddress::v4(i << 8));
  const auto many = tally.take();
  CHECK(many.size() <= RefusalTally::max_networks + 1);
  std::uint64_t sum = 0;
  for (const auto& one : many) sum += one.count;
  CHECK(sum == 100'000);
}
