#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/upstream/connector.h"
#include "tests/unit/net/loop.h"
#include "tests/unit/tls/rig.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

struct Outcome final : DialHandler {
  explicit Outcome(Loop& loop) : connector(loop.net, *this) {}
  Reason on_address(const Endpoint& one) override { return judged.push_back(one), Reason::ok; }
  Stream on_reuse(const Endpoint&) override { return std::move(idle); }
  void on_dialed(Stream its_stream, const Endpoint& its_address, bool its_reused) override {
    stream = std::move(its_stream);
    address = its_address;
    reused = its_reused;
  }
  void on_dial_failed(Reason its_reason) override {
    failure = its_reason;
    detail = connector.detail();
    target_failure = connector.is_target_failure();
  }
  bool over() const { return stream.valid() || failure != Reason::ok; }

  Connector connector;
  std::vector<Endpoint> judged;
  Stream idle;
  Stream stream;
  Endpoint address;
  bool reused = false;
  Reason failure = Reason::ok;
  std::string detail;
  bool target_failure = false;
};

/// A parent proxy or backend played by hand.
struct Peer {
  explicit Peer(Loop& its_loop) : loop(its_loop) {}
  void accept() { fd = listening.accept(); }
  /// What has come, once it ends as given.
  std::string expect(const std::string& end) {
    std::string got;
    loop.until([&] { return (got += read_now(fd.get())).ends_with(end); });
    return got;
  }
  std::string expect(std::size_t size) {
    std::string got;
    loop.until([&] { return (got += read_now(fd.get())).size() >= size; });
    return got;
  }
  /// Byte by byte, with a turn of the loop after each.
  void drip(std::string_view bytes) {
    for (const char byte : bytes) {
      socket::send(fd.get(), {&byte, 1});
      for (int i = 0; i < 3; ++i) loop.turn();
    }
  }
  Loop& loop;
  Listening listening;
  UniqueFd fd;
};

BackendSpec spec_of(BackendRole role, std::uint16_t port = 0) {
  return {.id = "b", .host = "127.0.0.1", .port = port, .role = role};
}

ConnectRequest through(const std::shared_ptr<const BackendLink>& link, std::uint16_t port,
                       std::string host = "origin.test") {
  return {.host = "127.0.0.1",
          .port = port,
          .timeout = 5'000ms,
          .link = link,
          .tunnel_host = std::move(host),
          .tunnel_port = 443};
}

/// What is readable on `stream` once `size` bytes are there.
std::string read_from(Loop& loop, Stream& stream, std::size_t size) {
  std::string got;
  loop.until([&] {
    while (got.size() < size && stream.readable()) {
      const IoResult result = stream.read(loop.scratch.empty() ? std::span<char>{} : std::span{loop.scratch});
      if (result.status != IoStatus::ok) break;
      got.append(loop.scratch.data(), result.bytes);
    }
    return got.size() >= size;
  });
  return got;
}

const std::string socks_granted = "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"s;

}  // namespace

TEST_CASE("connector: a plain backend is dialled, and a connection at hand is taken as it is") {
  Loop loop;
  Peer peer(loop);
  Outcome outcome(loop);
  outcome.connector.start({.host = "127.0.0.1", .port = peer.listening.port});
  CHECK(outcome.connector.is_active());
  REQUIRE(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.stream.writable());
  CHECK_FALSE(outcome.connector.is_active());
  Outcome again(loop);
  auto [mine, theirs] = tcp_pair();
  again.idle = Stream(loop.poller, std::move(mine));
  again.connector.start({.host = "127.0.0.1", .port = 1, .proxy_header = "PROXY UNKNOWN\r\n"});
  REQUIRE(loop.until([&] { return again.over(); }));
  CHECK(again.reused);
  loop.turn();
  CHECK(read_now(theirs.get()).empty());
}

TEST_CASE("connector: the PROXY header is what a backend hears first, TLS or not") {
  Loop loop;
  Peer peer(loop);
  const std::string header = "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n";
  Outcome outcome(loop);
  outcome.connector.start({.host = "127.0.0.1", .port = peer.listening.port, .proxy_header = header});
  REQUIRE(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.stream.write("hello").bytes == 5);
  peer.accept();
  CHECK(peer.expect("hello") == header + "hello");

  const CertificateText made = make_certificate({.names = {"db.test"}});
  const ServerTls server(ServerTlsSettings{.certificates = {made}});
  BackendSpec spec = spec_of(BackendRole::origin);
  spec.tls = true;
  spec.tls_server_name = "db.test";
  spec.tls_ca_pem = made.cert_pem;
  Outcome secret(loop);
  secret.connector.start({.host = "127.0.0.1",
                          .port = peer.listening.port,
                          .link = BackendLink::make(spec),
                          .proxy_header = header});
  peer.accept();
  std::string got(header.size(), '\0');
  REQUIRE(loop.until([&] { return ::recv(peer.fd.get(), got.data(), got.size(), MSG_DONTWAIT) > 0; }));
  CHECK(got == header);
  End end(loop, std::move(peer.fd), server.accept());
  REQUIRE(loop.until([&] { return secret.over() && end.state == Handshake::done; }));
  CHECK(end.layer->server_name() == "db.test");
  end.send("over TLS");
  CHECK(read_from(loop, secret.stream, 8) == "over TLS");
}

TEST_CASE("connector: a backend that cannot prove its name is refused, and told so") {
  const CertificateText authority = make_certificate({.names = {"authority"}, .authority = true});
  const CertificateText other = make_certificate({.names = {"other"}, .authority = true});
  const CertificateText good = make_certificate({.names = {"db.test", "127.0.0.1"}, .issuer = &authority});
  const CertificateText expired =
      make_certificate({.names = {"db.test"}, .issuer = &authority, .first_day = -20, .last_day = -10});
  struct Row {
    const char* what;
    const CertificateText& presented;
    std::string verify, name, ca;
    bool passes;
  };
  const Row rows[] = {{"all well", good, "full", "db.test", authority.cert_pem, true},
                      {"the address is the name", good, "full", "", authority.cert_pem, true},
                      {"another name", good, "full", "web.test", authority.cert_pem, false},
                      {"another name, chain only", good, "ca", "web.test", authority.cert_pem, true},
                      {"unknown authority", good, "full", "db.test", other.cert_pem, false},
                      {"unknown authority, chain only", good, "ca", "db.test", other.cert_pem, false},
                      {"expired", expired, "full", "db.test", authority.cert_pem, false},
                      {"expired, chain only", expired, "ca", "db.test", authority.cert_pem, false},
                      {"nothing is asked", expired, "none", "web.test", "", true}};
  for (const Row& row : rows) {
    CAPTURE(row.what);
    Loop loop;
    Peer peer(loop);
    const ServerTls server(ServerTlsSettings{.certificates = {row.presented}});
    BackendSpec spec = spec_of(BackendRole::origin);
    spec.tls = true;
    spec.tls_verify = row.verify;
    spec.tls_server_name = row.name;
    spec.tls_ca_pem = row.ca;
    Outcome outcome(loop);
    outcome.connector.start(
        {.host = "127.0.0.1", .port = peer.listening.port, .link = BackendLink::make(spec)});
    peer.accept();
    End end(loop, std::move(peer.fd), server.accept());
    REQUIRE(loop.until([&] { return outcome.over(); }));
    CHECK(outcome.stream.valid() == row.passes);
    if (row.passes) continue;
    CHECK(outcome.failure == Reason::upstream_tls_failed);
    CHECK_FALSE(outcome.detail.empty());
    CHECK_FALSE(outcome.target_failure);
  }
}

TEST_CASE("connector: a backend without TLS, or one that says nothing, fails in its way") {
  Loop loop;
  Peer peer(loop);
  BackendSpec spec = spec_of(BackendRole::origin);
  spec.tls = true;
  spec.tls_verify = "none";
  const auto link = BackendLink::make(spec);
  Outcome plain(loop);
  plain.connector.start({.host = "127.0.0.1", .port = peer.listening.port, .link = link});
  peer.accept();
  socket::send(peer.fd.get(), "220 ready\r\n");
  REQUIRE(loop.until([&] { return plain.over(); }));
  CHECK(plain.failure == Reason::upstream_tls_failed);
  Outcome silent(loop);
  const SteadyTime start = std::chrono::steady_clock::now();
  silent.connector.start({.host = "127.0.0.1", .port = peer.listening.port, .timeout = 80ms, .link = link});
  REQUIRE(loop.until([&] { return silent.over(); }));
  CHECK(silent.failure == Reason::connect_timeout);
  CHECK(std::chrono::steady_clock::now() - start < 2s);
}

TEST_CASE("connector: CONNECT through a parent, byte by byte; what follows stays in the stream") {
  Loop loop;
  Peer peer(loop);
  BackendSpec spec = spec_of(BackendRole::parent_http);
  spec.user_name = "Aladdin";
  spec.password = "open sesame";
  Outcome outcome(loop);
  outcome.connector.start(through(BackendLink::make(spec), peer.listening.port));
  peer.accept();
  CHECK(peer.expect("\r\n\r\n") ==
        "CONNECT origin.test:443 HTTP/1.1\r\nHost: origin.test:443\r\n"
        "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
  peer.drip("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nVia: x\r\n\r");
  CHECK_FALSE(outcome.over());
  socket::send(peer.fd.get(), "\nSSH-2.0-x\r\n");
  REQUIRE(loop.until([&] { return outcome.over(); }));
  REQUIRE(outcome.stream.valid());
  CHECK(read_from(loop, outcome.stream, 11) == "SSH-2.0-x\r\n");
  CHECK(outcome.address == local(peer.listening.port));
}

TEST_CASE("connector: a parent without a tunnel is only reached") {
  Loop loop;
  Peer peer(loop);
  Outcome outcome(loop);
  outcome.connector.start(
      through(BackendLink::make(spec_of(BackendRole::parent_http)), peer.listening.port, ""));
  REQUIRE(loop.until([&] { return outcome.over(); }));
  peer.accept();
  CHECK(outcome.stream.valid());
  CHECK(read_now(peer.fd.get()).empty());
}

TEST_CASE("connector: what a parent answers to CONNECT, and what is made of it") {
  struct Row {
    std::string answer;
    Reason reason;
    bool target;
    std::string detail;
  };
  const Row rows[] = {
      {"HTTP/1.1 407 No\r\n\r\n", Reason::upstream_protocol, false, "the parent proxy wants credentials"},
      {"HTTP/1.1 403 No\r\n\r\n", Reason::upstream_protocol, true, "the parent proxy answered 403"},
      {"HTTP/1.1 502 No\r\n\r\n", Reason::unreachable, true, "the parent proxy answered 502"},
      {"HTTP/1.1 503 \r\n\r\n", Reason::unreachable, true, "the parent proxy answered 503"},
      {"HTTP/1.1 504\r\n\r\n", Reason::connect_timeout, true, "the parent proxy answered 504"},
      {"HTTP/1.1 2x0 OK\r\n\r\n", Reason::upstream_protocol, false, "the parent proxy does not speak http"},
      {"HTTP/1.1 2000 K\r\n\r\n", Reason::upstream_protocol, false, "the parent proxy does not speak http"},
      {"HTTP/1.1\r\n\r\n", Reason::upstream_protocol, false, "the parent proxy does not speak http"},
      {"SSH-2.0-x\r\n", Reason::upstream_protocol, false, "the parent proxy does not speak http"},
      {"HTTP/1.1 200 " + std::string(9000, 'x'), Reason::upstream_protocol, false,
       "the parent proxy's answer is too long"},
      {"", Reason::upstream_closed, false, "the parent proxy closed the connection"},
      {"HTTP/1.1 200 OK\r\n", Reason::upstream_closed, false, "the parent proxy closed the connection"},
  };
  const auto link = BackendLink::make(spec_of(BackendRole::parent_http));
  for (const Row& row : rows) {
    CAPTURE(row.answer);
    Loop loop;
    Peer peer(loop);
    Outcome outcome(loop);
    outcome.connector.start(through(link, peer.listening.port));
    peer.accept();
    peer.expect("\r\n\r\n");
    socket::send(peer.fd.get(), row.answer);
    if (row.reason == Reason::upstream_closed) ::shutdown(peer.fd.get(), SHUT_WR);
    REQUIRE(loop.until([&] { return outcome.over(); }));
    CHECK(outcome.failure == row.reason);
    CHECK(outcome.target_failure == row.target);
    CHECK(outcome.detail == row.detail);
  }
}

TEST_CASE("connector: a parent over TLS") {
  Loop loop;
  Peer peer(loop);
  const CertificateText made = make_certificate({.names = {"parent.test"}});
  const ServerTls server(ServerTlsSettings{.certificates = {made}});
  BackendSpec spec = spec_of(BackendRole::parent_https);
  spec.tls_server_name = "parent.test";
  spec.tls_ca_pem = made.cert_pem;
  Outcome outcome(loop);
  outcome.connector.start(through(BackendLink::make(spec), peer.listening.port));
  peer.accept();
  End end(loop, std::move(peer.fd), server.accept());
  REQUIRE(loop.until([&] { return end.received.ends_with("\r\n\r\n"); }));
  CHECK(end.received.starts_with("CONNECT origin.test:443 HTTP/1.1\r\n"));
  end.send("HTTP/1.1 200 OK\r\n\r\nand more");
  REQUIRE(loop.until([&] { return outcome.over(); }));
  CHECK(read_from(loop, outcome.stream, 8) == "and more");
  CHECK(outcome.stream.write("back").bytes == 4);
  CHECK(loop.until([&] { return end.received.ends_with("back"); }));
}

TEST_CASE("connector: a socks5 parent gets names as names and addresses as addresses") {
  struct Row {
    std::string host, wire;
  };
  const Row rows[] = {
      {"origin.test", "\x05\x01\x00\x03\x0borigin.test\x01\xbb"s},
      {"192.0.2.1", "\x05\x01\x00\x01\xc0\x00\x02\x01\x01\xbb"s},
      {"2001:db8::1", "\x05\x01\x00\x04\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01\x01\xbb"}};
  const auto link = BackendLink::make(spec_of(BackendRole::parent_socks5));
  for (const Row& row : rows) {
    CAPTURE(row.host);
    Loop loop;
    Peer peer(loop);
    Outcome outcome(loop);
    outcome.connector.start(through(link, peer.listening.port, row.host));
    peer.accept();
    CHECK(peer.expect(3) == "\x05\x01\x00"s);
    peer.drip("\x05\x00"s);
    CHECK(peer.expect(row.wire.size()) == row.wire);
    peer.drip(socks_granted.substr(0, 9));
    CHECK_FALSE(outcome.over());
    socket::send(peer.fd.get(), socks_granted.substr(9) + "first");
    REQUIRE(loop.until([&] { return outcome.over(); }));
    CHECK(read_from(loop, outcome.stream, 5) == "first");
  }
}

TEST_CASE("connector: a socks5 parent may ask for name and password, and may bind to a name") {
  Loop loop;
  Peer peer(loop);
  BackendSpec spec = spec_of(BackendRole::parent_socks5);
  spec.user_name = "user";
  spec.password = "pass";
  Outcome outcome(loop);
  outcome.connector.start(through(BackendLink::make(spec), peer.listening.port));
  peer.accept();
  CHECK(peer.expect(4) == "\x05\x02\x00\x02"s);
  socket::send(peer.fd.get(), "\x05\x02");
  CHECK(peer.expect(11) == "\x01\x04user\x04pass"s);
  socket::send(peer.fd.get(), "\x01\x00"s);
  CHECK(peer.expect(18).substr(4) == "\x0borigin.test\x01\xbb"s);
  peer.drip("\x05\x00\x00\x03\x04name\x00\x50"s);
  REQUIRE(loop.until([&] { return outcome.over(); }));
  CHECK(outcome.stream.valid());
}

TEST_CASE("connector: what a socks5 parent refuses") {
  struct Row {
    std::vector<std::string> answers;
    Reason reason;
    bool target;
  };
  const auto refusal = [](char code) { return std::vector<std::string>{"\x05\x00"s, "\x05"s + code}; };
  const Row rows[] = {{refusal(1), Reason::unreachable, true},
                      {refusal(2), Reason::upstream_protocol, true},
                      {refusal(3), Reason::unreachable, true},
                      {refusal(4), Reason::unreachable, true},
                      {refusal(5), Reason::connect_refused, true},
                      {refusal(6), Reason::connect_timeout, true},
                      {refusal(7), Reason::upstream_protocol, true},
                      {refusal(8), Reason::upstream_protocol, true},
                      {refusal(99), Reason::upstream_protocol, true},
                      {{"\x05\xff"}, Reason::upstream_protocol, false},
                      {{"\x05\x02"}, Reason::upstream_protocol, false},
                      {{"\x04\x00"s}, Reason::upstream_protocol, false},
                      {{"\x05\x00"s, "\x04"}, Reason::upstream_protocol, false},
                      {{"\x05\x00"s, "\x05\x00\x00\x07\x01"s}, Reason::upstream_protocol, false},
                      {{"\x05\x00"s, ""}, Reason::upstream_closed, false}};
  const auto link = BackendLink::make(spec_of(BackendRole::parent_socks5));
  for (const Row& row : rows) {
    Loop loop;
    Peer peer(loop);
    Outcome outcome(loop);
    outcome.connector.start(through(link, peer.listening.port));
    peer.accept();
    peer.expect(3);
    socket::send(peer.fd.get(), row.answers[0]);
    if (row.answers.size() > 1) {
      peer.expect(18);
      socket::send(peer.fd.get(), row.answers[1]);
      if (row.answers[1].empty()) ::shutdown(peer.fd.get(), SHUT_WR);
    }
    REQUIRE(loop.until([&] { return outcome.over(); }));
    CAPTURE(outcome.detail);
    CHECK(outcome.failure == row.reason);
    CHECK(outcome.target_failure == row.target);
    CHECK_FALSE(outcome.detail.empty());
  }
}

TEST_CASE("connector: a parent that says nothing is given up in time, and stop() ends in silence") {
  for (const BackendRole role : {BackendRole::parent_http, BackendRole::parent_socks5}) {
    Loop loop;
    Peer peer(loop);
    ConnectRequest request = through(BackendLink::make(spec_of(role)), peer.listening.port);
    request.timeout = 60ms;
    Outcome outcome(loop);
    outcome.connector.start(request);
    REQUIRE(loop.until([&] { return outcome.over(); }));
    CHECK(outcome.failure == Reason::connect_timeout);
    Outcome stopped(loop);
    stopped.connector.start(request);
    peer.accept();
    peer.accept();
    peer.expect(3);
    stopped.connector.stop();
    CHECK_FALSE(stopped.connector.is_active());
    CHECK(loop.until([&] { return is_over(peer.fd.get()); }));
    CHECK_FALSE(stopped.over());
  }
}

TEST_CASE("connector: nothing but names and addresses is ever written into a parent's stream") {
  const auto link = BackendLink::make(spec_of(BackendRole::parent_http));
  for (const std::string& host : {"a b"s, "a\r\nX: y"s, "a:1"s, std::string(300, 'a'), "a\0b"s}) {
    Loop loop;
    Peer peer(loop);
    Outcome outcome(loop);
    outcome.connector.start(through(link, peer.listening.port, host));
    REQUIRE(loop.until([&] { return outcome.over(); }));
    CHECK(outcome.failure == Reason::dns_failed);
    peer.accept();
    CHECK(read_now(peer.fd.get()).empty());
  }
}

TEST_CASE("link: only what a plain origin does not need is made, and identities tell links apart") {
  CHECK(BackendLink::make(spec_of(BackendRole::origin)) == nullptr);
  BackendSpec one = spec_of(BackendRole::origin);
  one.tls = true;
  one.tls_verify = "none";
  BackendSpec other = one;
  other.tls_server_name = "other.test";
  CHECK(BackendLink::make(one)->identity == BackendLink::make(one)->identity);
  CHECK(BackendLink::make(one)->identity != BackendLink::make(other)->identity);
  BackendSpec parent = spec_of(BackendRole::parent_http);
  const std::string anonymous = BackendLink::make(parent)->identity;
  parent.user_name = "u";
  CHECK(BackendLink::make(parent)->identity != anonymous);
  parent.user_name = "u:v";
  CHECK_THROWS_AS(BackendLink::make(parent), Error);
  parent.user_name = std::string(256, 'u');
  CHECK_THROWS_AS(BackendLink::make(parent), Error);
  BackendSpec unsure = spec_of(BackendRole::origin);
  unsure.tls = true;
  CHECK_THROWS_AS(BackendLink::make(unsure), Error);  // whom to trust?
}

TEST_CASE("backends: a reload that changes nothing of a link keeps it") {
  BackendSpec spec = spec_of(BackendRole::parent_http);
  const BackendSet first({spec}, "round_robin");
  spec.weight = 7;
  const BackendSet second({spec}, "round_robin", &first);
  CHECK(second.all()[0].link == first.all()[0].link);
  spec.password = "new";
  const BackendSet third({spec}, "round_robin", &second);
  CHECK(third.all()[0].link != second.all()[0].link);
}
