#include <doctest/doctest.h>
#include <signal.h>
#include <sys/socket.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/socks/fixture.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::string_literals;

static bool echoes(Client& client, const std::string& text) {
  client.send(text);
  return client.receive(text.size()) == text;
}

TEST_CASE("socks: SOCKS5 connects to addresses, names and literals sent as names") {
  SocksWorker proxy;
  Server backend(echo());
  for (const std::string& request :
       {request5("127.0.0.1", backend.port()), request5("localhost", backend.port()),
        request5_named("127.0.0.1", backend.port()), request5_named("::ffff:127.0.0.1", backend.port())}) {
    Client client(proxy.port());
    const Reply reply = ask(client, request);
    CHECK(reply.code == 0);
    CHECK(reply.bound.address.to_string() == "127.0.0.1");
    CHECK(reply.bound.port != 0);
    CHECK(echoes(client, "ping"));
    client.shutdown_write();
    CHECK(client.receive_all().empty());
    CHECK_FALSE(client.was_reset());
  }
  const auto totals = proxy.after(4);
  CHECK(count_of(totals, Reason::ok) == 4);
  CHECK(totals.total_requests == 4);
  CHECK(totals.refused_connections == 0);
}

TEST_CASE("socks: SOCKS4 and 4a connect") {
  SocksWorker proxy;
  Server backend(echo());
  for (const char* host : {"127.0.0.1", "localhost"}) {
    Client client(proxy.port());
    client.send(request4(host, backend.port()));
    CHECK(read_reply4(client) == 90);
    CHECK(echoes(client, "ping"));
  }
}

TEST_CASE(
    "socks: byte by byte, all at once and with data sent ahead: the same bytes arrive, counted exactly") {
  SocksWorker proxy;
  Server backend(echo("hi "));
  const std::string data = "early " + std::string(100'000, 'x');
  for (const bool at_once : {true, false}) {
    Client client(proxy.port());
    const std::string negotiation = greeting + request5("127.0.0.1", backend.port());
    if (at_once) {
      client.send(negotiation + data);
    } else {
      for (const char byte : negotiation) client.send({&byte, 1});
      client.send(data);
    }
    CHECK(client.receive(2) == "\5\0"s);
    CHECK(read_reply(client).code == 0);
    CHECK(client.receive(3 + data.size()) == "hi " + data);
    client.shutdown_write();
    CHECK(client.receive_all().empty());
  }
  const auto totals = proxy.after(2);
  CHECK(totals.bytes_in == 2 * (3 + 10 + data.size()));
  CHECK(totals.bytes_out == 2 * (2 + 10 + 3 + data.size()));
}

TEST_CASE("socks: data and end sent with a SOCKS4 request reach the backend") {
  SocksWorker proxy;
  Server backend(echo());
  Client client(proxy.port());
  client.send(request4("127.0.0.1", backend.port()) + "all there is");
  client.shutdown_write();
  CHECK(read_reply4(client) == 90);
  CHECK(client.receive_all() == "all there is");
  CHECK(proxy.after(1).bytes_in == 13 + 12);
}

TEST_CASE("socks: failures have their codes") {
  SocksWorker proxy;
  Server backend(echo());
  struct Row {
    std::string request;
    int code;
    Reason reason;
  };
  const std::vector<Row> rows{
      {request5("10.0.0.1", 80), 2, Reason::destination_denied},
      {request5("0.0.0.0", backend.port()), 2, Reason::destination_denied},
      {request5("127.0.0.1", 25), 2, Reason::destination_denied},
      {request5("169.254.169.254", 80), 2, Reason::destination_denied},
      {request5("127.0.0.1", proxy.port()), 2, Reason::destination_denied},
      {request5("fc00::1", 80), 2, Reason::destination_denied},
      {request5("127.0.0.1", refusing_port()), 5, Reason::connect_refused},
      {request5("bad name", 80), 4, Reason::bad_request},
      {request5_named("127.1", 80), 4, Reason::bad_request},
      {request5("127.0.0.1", 0), 1, Reason::bad_request},
      {request5("127.0.0.1", 80, 2), 7, Reason::unsupported_method},
      {request5("127.0.0.1", 80, 3), 7, Reason::unsupported_method},
      {request5("127.0.0.1", 80, 9), 7, Reason::unsupported_method},
      {"\5\1\0\2"s + "\x7f\0\0\1\0\x50"s, 8, Reason::bad_request},
      {"\5\1\7\1"s + "\x7f\0\0\1\0\x50"s, 1, Reason::bad_request},
  };
  std::uint64_t ended = 0;
  std::uint64_t before = 0;
  for (const Row& row : rows) {
    CAPTURE(row.request);
    Client client(proxy.port());
    CHECK(ask(client, row.request).code == row.code);
    CHECK(client.receive_all().empty());
    CHECK_FALSE(client.was_reset());
    client.close();
    const auto totals = proxy.after(++ended);
    std::uint64_t same = 0;
    for (const Row& other : rows)
      if (&other <= &row && other.reason == row.reason) ++same;
    CHECK(count_of(totals, row.reason) == same);
    CHECK(totals.bytes_in - before == 3 + row.request.size());
    before = totals.bytes_in;
  }
  CHECK(proxy.after(ended).total_requests == 0);
  CHECK(backend.accepted() == 0);
}

TEST_CASE("socks: SOCKS4 says 91 to everything it refuses") {
  SocksWorker proxy;
  for (const std::string& request :
       {request4("10.0.0.1", 80), request4("127.0.0.1", refusing_port()), request4("bad name", 80),
        request4("127.0.0.1", 80, 2), request4("127.0.0.1", 80, 3), request4("0.0.0.0", 80),
        "\4\1\0\x50\1\2\3\4"s + std::string(300, 'u')}) {
    Client client(proxy.port());
    client.send(request);
    CHECK(read_reply4(client) == 91);
    CHECK(client.receive_all().empty());
  }
}

TEST_CASE("socks: what is no SOCKS is closed without a word") {
  SocksWorker proxy;
  const std::vector<std::string> junk{"GET / HTTP/1.1\r\n\r\n", "\x16\3\1\2\0\1\0\1\xfc\3\3"s, "\0"s,
                                      "\6\1\0"s, std::string(2000, '\xff')};
  for (const std::string& bytes : junk) {
    Client client(proxy.port());
    client.send(bytes);
    CHECK(client.receive_all().empty());
  }
  // A step left out: a password, a SOCKS4 request or another greeting instead of the request.
  for (const std::string& bytes : {"\1\2me\2pw"s, request4("127.0.0.1", 80)}) {
    Client client(proxy.port());
    client.send(greeting);
    CHECK(client.receive(2) == "\5\0"s);
    client.send(bytes);
    CHECK(client.receive_all().empty());
  }
  const auto totals = proxy.after(junk.size() + 2);
  CHECK(count_of(totals, Reason::protocol_error) == junk.size() + 2);
  CHECK(totals.bytes_out == 4);
}

TEST_CASE("socks: without a method in common the answer is FF") {
  SocksWorker proxy;
  for (const std::string& offer : {"\5\1\2"s, "\5\0"s, "\5\2\1\2"s}) {
    Client client(proxy.port());
    client.send(offer);
    CHECK(client.receive_all() == "\5\xff"s);
  }
  CHECK(count_of(proxy.after(3), Reason::unsupported_method) == 3);
}

TEST_CASE("socks: versions that are not served are refused in their own words") {
  SocksWorker only5([](wire::ServerConfig& config) { config.config["versions"] = "5"; });
  for (const char* host : {"127.0.0.1", "localhost"}) {
    Client client(only5.port());
    client.send(request4(host, 80));
    CHECK(read_reply4(client) == 91);
  }
  CHECK(count_of(only5.after(2), Reason::unsupported_version) == 2);
  SocksWorker only4([](wire::ServerConfig& config) { config.config["versions"] = R"(["4"])"; });
  Client client(only4.port());
  client.send(greeting);
  CHECK(client.receive_all() == "\5\xff"s);
  Client named(only4.port());
  named.send(request4("localhost", 80));
  CHECK(read_reply4(named) == 91);
  CHECK(count_of(only4.after(2), Reason::unsupported_version) == 2);
}

TEST_CASE("socks: a slow greeting ends at handshake_timeout, counted from the accept") {
  SocksWorker proxy([](wire::ServerConfig& config) { config.handshake_timeout_ms = 200; });
  for (const std::string& part : {""s, "\5"s, greeting, greeting + "\5\1\0"s, "\4\1"s}) {
    Client client(proxy.port());
    if (!part.empty()) client.send(part);
    client.receive_all();
  }
  CHECK(count_of(proxy.after(5), Reason::handshake_timeout) == 5);
}

TEST_CASE("socks: a client that leaves early is counted so") {
  SocksWorker proxy;
  for (const std::string& part : {""s, "\5"s, greeting, greeting + "\5\1\0"s}) {
    Client client(proxy.port());
    if (!part.empty()) client.send(part);
    client.shutdown_write();
    client.receive_all();
  }
  CHECK(count_of(proxy.after(4), Reason::client_closed) == 4);
}

TEST_CASE("socks: idle_timeout ends a silent tunnel") {
  SocksWorker proxy([](wire::ServerConfig& config) { config.idle_timeout_ms = 200; });
  Server backend(echo());
  Client client(proxy.port());
  CHECK(ask(client, request5("127.0.0.1", backend.port())).code == 0);
  CHECK(client.receive_all().empty());
  CHECK(count_of(proxy.after(1), Reason::idle_timeout) == 1);
}

TEST_CASE("socks: rules that tighten end a tunnel within a second") {
  SocksWorker proxy;
  Server backend(echo());
  Client by_name(proxy.port()), by_address(proxy.port());
  CHECK(ask(by_name, request5("localhost", backend.port())).code == 0);
  CHECK(ask(by_address, request5("127.0.0.1", backend.port())).code == 0);
  wire::ServerConfig tighter = proxy.config();
  tighter.generation = 3;
  tighter.rules.insert(tighter.rules.begin(), {.number = 1, .allow = false, .host = "localhost"});
  CHECK(proxy.worker().put(tighter).error.empty());
  by_name.receive_all();
  CHECK(echoes(by_address, "still there"));
  tighter.generation = 4;
  tighter.rules.insert(tighter.rules.begin(), {.number = 2, .allow = false, .destination = "127.0.0.1/32"});
  CHECK(proxy.worker().put(tighter).error.empty());
  by_address.receive_all();
  CHECK(count_of(proxy.after(2), Reason::acl_denied) == 2);
}

TEST_CASE("socks: draining lets tunnels go on and closes who has said nothing") {
  SocksWorker proxy;
  Server backend(echo());
  Client tunnel(proxy.port()), silent(proxy.port());
  CHECK(ask(tunnel, request5("127.0.0.1", backend.port())).code == 0);
  CHECK(proxy.worker().counters([](const auto& t) { return t.total_connections == 2; }).total_connections ==
        2);
  proxy.worker().unlisten("s", 5000);
  CHECK(silent.receive_all().empty());
  CHECK(echoes(tunnel, "still there"));
  tunnel.shutdown_write();
  CHECK(tunnel.receive_all().empty());
  CHECK(proxy.worker().expect_event().kind == "drained");
}

TEST_CASE("socks: a worker that is told to end lets go of clients in every phase") {
  SocksWorker proxy([](wire::ServerConfig& config) {
    config.config["commands"] = "connect,bind,udp";
    config.drain_timeout_ms = 300;
  });
  Server backend(echo());
  Client silent(proxy.port()), partial(proxy.port()), tunnel(proxy.port()), bind(proxy.port()),
      udp(proxy.port());
  partial.send(greeting + "\5\1\0\3\x20half"s);
  CHECK(partial.receive(2) == "\5\0"s);
  CHECK(ask(tunnel, request5("127.0.0.1", backend.port())).code == 0);
  CHECK(ask(bind, request5("127.0.0.1", 21, 2)).code == 0);
  CHECK(ask(udp, request5("0.0.0.0", 0, 3)).code == 0);
  ::kill(proxy.worker().pid(), SIGTERM);
  CHECK(proxy.worker().wait_for_exit() == 0);
}

TEST_CASE("socks: options that make no sense are refused with the snapshot") {
  for (const auto& [key, value] :
       std::vector<std::pair<std::string, std::string>>{{"versions", "6"},
                                                        {"versions", ","},
                                                        {"commands", "connect,listen"},
                                                        {"commands", "[]"},
                                                        {"denied_ports", "smtp"},
                                                        {"udp_ports", "9-8"},
                                                        {"udp_ports", "0-10"},
                                                        {"udp_advertise", "here"}}) {
    CAPTURE(key);
    CHECK_THROWS(SocksWorker([&](wire::ServerConfig& config) { config.config[key] = value; }));
  }
}

TEST_CASE("socks: with a parent proxy nothing leaves past it, and other backends make no sense") {
  const auto with = [](const char* role) {
    return [role](wire::ServerConfig& config) {
      config.config["commands"] = "connect,bind,udp";
      config.backends.push_back({.id = "p", .host = "127.0.0.1", .port = refusing_port(), .role = role});
    };
  };
  CHECK_THROWS(SocksWorker(with("origin")));
  SocksWorker proxy(with("parent_socks5"));
  for (const auto& [command, code] : {std::pair{'\1', 5}, {'\2', 7}, {'\3', 7}}) {
    Client client(proxy.port());
    CHECK(ask(client, request5("127.0.0.1", 80, command)).code == code);
  }
}

TEST_CASE("socks: denied_ports may be emptied") {
  SocksWorker proxy([](wire::ServerConfig& config) { config.config["denied_ports"] = ""; });
  Client client(proxy.port());
  CHECK(ask(client, request5("127.0.0.1", 25)).code == 5);
}
