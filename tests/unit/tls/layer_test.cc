#include <doctest/doctest.h>

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <thread>

#include "lib/base/error.h"
#include "tests/unit/tls/rig.h"

using namespace arcus;
using namespace arcus::test;

static constexpr std::array versions{"1.2", "1.3"};

TEST_CASE("tls: a handshake, then bytes both ways, in each version") {
  for (const std::string version : versions) {
    CAPTURE(version);
    Loop loop;
    const ServerTls server_tls(plain_server(version));
    const ClientTls client_tls(careless_client());
    Pair pair(loop, client_tls, server_tls);
    REQUIRE(pair.shake());
    CHECK(pair.server->layer->version() == "TLSv" + version);
    CHECK(pair.server->layer->server_name() == "example.test");
    CHECK(pair.server->layer->cipher().find("AES128-GCM") +
              pair.server->layer->cipher().find("AES_128_GCM") !=
          2 * std::string::npos);
    pair.client->send("ping");
    pair.server->send("pong");
    CHECK(pair.until([&] { return pair.server->received == "ping" && pair.client->received == "pong"; }));
  }
}

TEST_CASE("tls: versions that have nothing in common fail on both sides with a sentence") {
  Loop loop;
  const ServerTls server_tls(plain_server("1.2"));
  ClientTlsSettings settings = careless_client();
  settings.min_version = "1.3";
  const ClientTls client_tls(settings);
  Pair pair(loop, client_tls, server_tls);
  CHECK_FALSE(pair.shake());
  CHECK(pair.server->failure == "unsupported protocol");
}

TEST_CASE("tls: 16 MiB each way at once arrive byte for byte, in each version") {
  const std::string up = pattern(16 << 20);
  const std::string down = pattern((16 << 20) + 4711);
  for (const std::string version : versions) {
    CAPTURE(version);
    Loop loop;
    const ServerTls server_tls(plain_server(version));
    const ClientTls client_tls(careless_client());
    Pair pair(loop, client_tls, server_tls);
    REQUIRE(pair.shake());
    pair.client->send(up);
    pair.server->send(down);
    REQUIRE(pair.until([&] {
      return pair.server->received.size() >= up.size() && pair.client->received.size() >= down.size();
    }));
    CHECK(pair.server->received == up);
    CHECK(pair.client->received == down);
  }
}

TEST_CASE("tls: what the socket does not take is kept, and the last byte is reported only when it went") {
  Loop loop;
  const ServerTls server_tls(plain_server());
  const ClientTls client_tls(careless_client());
  Pair pair(loop, client_tls, server_tls);
  REQUIRE(pair.shake());
  pair.client->reads = false;
  const std::string bytes = pattern(32 << 20);
  std::size_t taken = 0;
  for (IoResult result{IoStatus::ok, 0}; result.status == IoStatus::ok; taken += result.bytes)
    result = pair.server->stream.write(std::string_view(bytes).substr(taken, 100'000));
  CHECK(taken > 0);
  CHECK(taken < bytes.size());
  CHECK(pair.server->stream.write(std::string_view(bytes).substr(taken)).status == IoStatus::blocked);
  CHECK_FALSE(pair.server->stream.shutdown_write());  // its close_notify must wait as well
  pair.server->outgoing.keep(std::string_view(bytes).substr(taken));
  pair.client->reads = true;
  pair.client->run();
  REQUIRE(pair.until([&] { return pair.client->received.size() >= bytes.size(); }));
  CHECK(pair.client->received == bytes);
}

TEST_CASE("tls: a write that was encrypted but not sent leaves its owner one byte to come back with") {
  Loop loop;
  const ServerTls server_tls(plain_server());
  const ClientTls client_tls(careless_client());
  Pair pair(loop, client_tls, server_tls);
  REQUIRE(pair.shake());
  pair.client->reads = false;
  const std::string piece = pattern(65'536);
  std::size_t taken = 0;
  IoResult result;
  do {
    result = pair.server->stream.write(piece);
    taken += result.bytes;
  } while (result.bytes == piece.size());
  CHECK(result.status == IoStatus::ok);
  CHECK(result.bytes == piece.size() - 1);
  pair.server->outgoing.keep(piece.substr(piece.size() - 1));
  pair.client->reads = true;
  pair.client->run();
  REQUIRE(pair.until([&] { return pair.client->received.size() > taken; }));
  CHECK(pair.client->received.size() == taken + 1);
  CHECK(pair.client->received.ends_with(piece));
}

TEST_CASE("tls: two parts written at once arrive in order, whatever their sizes") {
  Loop loop;
  const ServerTls server_tls(plain_server());
  const ClientTls client_tls(careless_client());
  Pair pair(loop, client_tls, server_tls);
  REQUIRE(pair.shake());
  const std::string bytes = pattern(70'000);
  std::string expected;
  for (const std::size_t first :
       std::initializer_list<std::size_t>{0, 1, 300, 16'383, 16'384, 16'385, 40'000})
    for (const std::size_t second : std::initializer_list<std::size_t>{0, 1, 300, 16'384, 30'000}) {
      CAPTURE(first);
      CAPTURE(second);
      const std::string_view one = std::string_view(bytes).substr(0, first);
      const std::string_view two = std::string_view(bytes).substr(first, second);
      if (first + second == 0) continue;
      const IoResult sent = pair.server->stream.write(one, two);
      REQUIRE(sent.status == IoStatus::ok);
      REQUIRE(sent.bytes == first + second);
      expected.append(one).append(two);
      REQUIRE(pair.until([&] { return pair.client->received.size() >= expected.size(); }));
    }
  CHECK(pair.client->received == expected);
}

TEST_CASE("tls: small reads leave the rest pending, and readable says so") {
  Loop loop;
  const ServerTls server_tls(plain_server());
  const ClientTls client_tls(careless_client());
  Pair pair(loop, client_tls, server_tls);
  REQUIRE(pair.shake());
  pair.server->reads = false;
  pair.client->send("0123456789");
  REQUIRE(pair.until([&] { return pair.server->stream.readable(); }));
  std::string got;
  std::array<char, 3> part{};
  while (pair.server->stream.readable()) {
    const IoResult result = pair.server->stream.read(part);
    if (result.status != IoStatus::ok) break;
    got.append(part.data(), result.bytes);
  }
  CHECK(got == "0123456789");
  CHECK_FALSE(pair.server->layer->has_pending());
}

TEST_CASE("tls: close_notify ends one direction, the other goes on, in each version and from each side") {
  const std::string bytes = pattern(1 << 20);
  for (const std::string version : versions)
    for (const bool from_client : {true, false}) {
      CAPTURE(version);
      CAPTURE(from_client);
      Loop loop;
      const ServerTls server_tls(plain_server(version));
      const ClientTls client_tls(careless_client());
      Pair pair(loop, client_tls, server_tls);
      REQUIRE(pair.shake());
      End& first = from_client ? *pair.client : *pair.server;
      End& second = from_client ? *pair.server : *pair.client;
      first.send("last words");
      first.shut();
      REQUIRE(pair.until([&] { return second.ended; }));
      CHECK(second.received == "last words");
      second.send(bytes);
      REQUIRE(pair.until([&] { return first.received.size() >= bytes.size(); }));
      CHECK(first.received == bytes);
      second.shut();
      REQUIRE(pair.until([&] { return first.ended; }));
      CHECK_FALSE(first.broken);
      CHECK_FALSE(second.broken);
    }
}

TEST_CASE("tls: an end without close_notify is a failure, after what came before it") {
  for (const bool reset : {false, true}) {
    CAPTURE(reset);
    Loop loop;
    const ServerTls server_tls(plain_server());
    const ClientTls client_tls(careless_client());
    Pair pair(loop, client_tls, server_tls);
    REQUIRE(pair.shake());
    pair.server->send("half an answ");
    REQUIRE(pair.until([&] { return !pair.client->received.empty(); }));
    reset ? pair.server->stream.reset() : pair.server->stream.close();
    REQUIRE(pair.until([&] { return pair.client->broken || pair.client->ended; }));
    CHECK(pair.client->received == "half an answ");
    CHECK_FALSE(pair.client->ended);
    CHECK(pair.client->stream.error() == ECONNRESET);
  }
}

TEST_CASE("tls: a changed byte ends the connection, and others on the thread go on") {
  Loop loop;
  const ServerTls server_tls(plain_server());
  const ClientTls client_tls(careless_client());
  Pair good(loop, client_tls, server_tls);
  Pair bad(loop, client_tls, server_tls);
  REQUIRE(good.shake());
  REQUIRE(bad.shake());
  const std::string forged("\x17\x03\x03\x00\x20" + std::string(32, 'x'));
  REQUIRE(socket::send(bad.client->stream.fd(), std::string_view(forged.data(), 37)) == 37);
  REQUIRE(bad.until([&] { return bad.server->broken; }));
  CHECK(bad.server->stream.error() == EPROTO);
  CHECK(bad.server->stream.write("more").status == IoStatus::failed);
  good.client->send("still here");
  CHECK(good.until([&] { return good.server->received == "still here"; }));
}

/// What a real client says first.
static std::string client_hello() {
  Loop loop;
  auto [one, other] = tcp_pair();
  const ClientTls client_tls(careless_client());
  End client(loop, std::move(one), client_tls.connect());
  client.run();
  std::string hello;
  loop.until([&] { return !(hello = read_now(other.get())).empty(); });
  return hello;
}

/// How a server takes `bytes`, after which the client's side ends.
static std::string failure_for(const ServerTls& server_tls, std::string_view bytes) {
  Loop loop;
  auto [one, other] = tcp_pair();
  End server(loop, std::move(other), server_tls.accept());
  REQUIRE(socket::send(one.get(), bytes) == static_cast<ssize_t>(bytes.size()));
  ::shutdown(one.get(), SHUT_WR);
  REQUIRE(loop.until([&] { return server.state != Handshake::wants_more; }));
  CHECK(server.state == Handshake::failed);
  CHECK_FALSE(server.failure.empty());
  return server.failure;
}

TEST_CASE("tls: bad clients fail with a sentence of their own") {
  const ServerTls server_tls(plain_server());
  CHECK(failure_for(server_tls, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") == "http request");
  CHECK(failure_for(server_tls, "CONNECT example.test:443 HTTP/1.1\r\n\r\n") == "https proxy request");
  CHECK(failure_for(server_tls, std::string(300, '\0')) == "wrong version number");
  CHECK(failure_for(server_tls, "SSH-2.0-OpenSSH_9.2\r\n") == "wrong version number");
}

TEST_CASE("tls: every truncation of a hello fails, and no changed byte of it does harm") {
  const ServerTls server_tls(plain_server());
  const std::string hello = client_hello();
  REQUIRE(hello.size() > 100);
  for (std::size_t n = 1; n < hello.size(); ++n) {
    CAPTURE(n);
    CHECK(failure_for(server_tls, std::string_view(hello).substr(0, n)) ==
          "the connection ended during the handshake");
  }
  for (std::size_t i = 0; i < hello.size(); ++i) {
    CAPTURE(i);
    std::string changed = hello;
    changed[i] = static_cast<char>(changed[i] ^ 0x5a);
    static_cast<void>(failure_for(server_tls, changed));
  }
}

TEST_CASE("tls: a hello in single bytes is understood") {
  Loop loop;
  auto [one, other] = tcp_pair();
  const ServerTls server_tls(plain_server());
  End server(loop, std::move(other), server_tls.accept());
  for (const char byte : client_hello()) {
    REQUIRE(socket::send(one.get(), {&byte, 1}) == 1);
    loop.turn();
  }
  CHECK(loop.until([&] { return read_now(one.get()).size() > 500; }));
  CHECK(server.state == Handshake::wants_more);
}

TEST_CASE("tls: an idle connection with a ticket under way is quiet, one with data is not") {
  Loop loop;
  ServerTlsSettings settings = plain_server();
  settings.ticket_keys = {ticket_key(1)};
  const ServerTls server_tls(settings);
  const ClientTls client_tls(careless_client());
  Pair pair(loop, client_tls, server_tls);
  pair.client->reads = false;
  REQUIRE(pair.shake());
  REQUIRE(pair.until([&] { return pair.client->stream.readable(); }));  // the ticket
  CHECK(pair.client->stream.is_quiet());
  pair.server->send("x");
  REQUIRE(pair.until([&] { return pair.client->stream.readable(); }));
  CHECK_FALSE(pair.client->stream.is_quiet());
}

TEST_CASE("tls: a peer that sends KeyUpdate without end is cut off, not listened to") {
  Loop loop;
  const ServerTls server_tls(plain_server("1.3"));
  auto [mine, theirs] = tcp_pair();
  End server(loop, std::move(theirs), server_tls.accept());
  ::fcntl(mine.get(), F_SETFL, 0);
  bool refused = false;
  std::jthread client([fd = mine.get(), &refused] {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    bool is_fine = SSL_connect(ssl) == 1;
    // All of it is made before any is sent: however slow we are, it comes faster than it can be read.
    BIO* flood = BIO_new(BIO_s_mem());
    SSL_set0_wbio(ssl, flood);
    for (int i = 0; is_fine && i < 16'000; ++i)
      is_fine = SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 && SSL_do_handshake(ssl) == 1;
    char* bytes = nullptr;
    const auto size = static_cast<std::size_t>(BIO_get_mem_data(flood, &bytes));
    std::size_t sent = 0;
    ssize_t n = 1;
    while (is_fine && sent < size && n > 0) {
      n = ::send(fd, bytes + sent, size - sent, MSG_NOSIGNAL);
      if (n > 0) sent += static_cast<std::size_t>(n);
    }
    char answer = 0;
    refused = is_fine && size > 400'000 && (n <= 0 || ::recv(fd, &answer, 1, 0) <= 0);
    SSL_free(ssl);
    SSL_CTX_free(context);
  });
  CHECK(loop.until([&] { return server.state == Handshake::done; }));
  CHECK(loop.until([&] { return server.broken; }));
  CHECK(server.stream.error() == EPROTO);
  server.stream.reset();
  client.join();
  CHECK(refused);
}
