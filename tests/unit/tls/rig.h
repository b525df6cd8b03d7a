#pragma once

#include <memory>
#include <string>
#include <utility>

#include "lib/net/backlog.h"
#include "lib/tls/client_tls.h"
#include "lib/tls/server_tls.h"
#include "tests/unit/net/loop.h"
#include "tests/unit/tls/made.h"

namespace arcus::test {

/// One end of a connection over TLS (or none, without a layer), which shakes hands, then reads all and writes
/// what it was given.
struct End final : StreamHandler {
  End(Loop& its_loop, UniqueFd socket, std::unique_ptr<TlsLayer> its_layer)
      : loop(its_loop), stream(its_loop.poller, std::move(socket), this), layer(its_layer.get()) {
    if (its_layer) stream.set_layer(std::move(its_layer));
  }
  void on_ready(Stream&) override { run(); }

  void run() {
    if (state == Handshake::wants_more) state = layer ? layer->handshake(stream) : Handshake::done;
    if (state == Handshake::failed && failure.empty()) failure = layer->failure();
    if (state != Handshake::done) return;
    if (!outgoing.empty() && outgoing.flush(stream).status == IoStatus::failed) broken = true;
    if (wants_shutdown && outgoing.empty() && !is_shut) is_shut = stream.shutdown_write();
    while (reads && !ended && !broken && stream.readable()) {
      const IoResult got = stream.read(loop.scratch);
      if (got.status == IoStatus::ended) ended = true;
      if (got.status == IoStatus::failed) broken = true;
      if (got.status != IoStatus::ok) break;
      received.append(loop.scratch.data(), got.bytes);
    }
  }
  void send(std::string_view bytes) {
    outgoing.keep(bytes);
    run();
  }
  void shut() {
    wants_shutdown = true;
    run();
  }

  Loop& loop;
  Stream stream;
  TlsLayer* layer;
  Backlog outgoing;
  Handshake state = Handshake::wants_more;
  std::string failure;
  std::string received;
  bool reads = true;
  bool wants_shutdown = false;
  bool is_shut = false;
  bool ended = false;
  bool broken = false;
};

/// Both ends.
struct Pair {
  Pair(Loop& its_loop, std::unique_ptr<TlsLayer> client_layer, std::unique_ptr<TlsLayer> server_layer)
      : loop(its_loop) {
    auto [one, other] = tcp_pair();
    client = std::make_unique<End>(loop, std::move(one), std::move(client_layer));
    server = std::make_unique<End>(loop, std::move(other), std::move(server_layer));
  }
  Pair(Loop& its_loop, const ClientTls& from, const ServerTls& to)
      : Pair(its_loop, from.connect(), to.accept()) {}

  bool until(const std::function<bool()>& done) { return loop.until(done); }
  /// Until both know the outcome; true when both are done.
  bool shake() {
    client->run();
    server->run();
    const auto known = [](const End& end) { return end.state != Handshake::wants_more; };
    static_cast<void>(until([&] {
      if (client->state == Handshake::failed) client->stream.close();
      if (server->state == Handshake::failed) server->stream.close();
      return known(*client) && known(*server);
    }));
    return client->state == Handshake::done && server->state == Handshake::done;
  }

  Loop& loop;
  std::unique_ptr<End> client;
  std::unique_ptr<End> server;
};

/// One certificate for all tests that do not look at it.
inline const CertificateText& certificate() {
  static const CertificateText made = make_certificate({});
  return made;
}

inline ServerTlsSettings plain_server(std::string max_version = {}) {
  return {.certificates = {certificate()}, .max_version = std::move(max_version), .scope = "server-1"};
}
inline ClientTlsSettings careless_client() { return {.server_name = "example.test", .verify = "none"}; }

/// Bytes that do not repeat in a period of a power of two.
inline std::string pattern(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint32_t state = 12'345;
  for (char& byte : bytes) {
    state = state * 1'664'525 + 1'013'904'223;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace arcus::test
