#include <doctest/doctest.h>

#include <optional>

#include "lib/net/relay.h"
#include "tests/unit/tls/rig.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

namespace {

/// A relay whose sides speak TLS or not: the test holds the outer ends.
struct TlsRig final : RelayHandler {
  TlsRig(bool client_tls, bool backend_tls) {
    auto [outer_client, inner_client] = tcp_pair();
    auto [outer_backend, inner_backend] = tcp_pair();
    client = make_outer(std::move(outer_client), client_tls);
    backend = make_outer(std::move(outer_backend), backend_tls);
    near_client = make_inner(std::move(inner_client), client_tls);
    auto near_backend = make_inner(std::move(inner_backend), backend_tls);
    near_client->reads = near_backend->reads = false;
    client->run();
    backend->run();
    ready = loop.until([&] {
      for (End* end : {client.get(), backend.get(), near_client.get(), near_backend.get()})
        if (end->layer && end->state != Handshake::done) return false;
      return true;
    });
    relay.start(near_client->stream, std::move(near_backend->stream), {}, {}, 10s);
  }

  std::unique_ptr<End> make_outer(UniqueFd socket, bool tls) {
    return std::make_unique<End>(loop, std::move(socket), tls ? client_tls_.connect() : nullptr);
  }
  std::unique_ptr<End> make_inner(UniqueFd socket, bool tls) {
    return std::make_unique<End>(loop, std::move(socket), tls ? server_tls_.accept() : nullptr);
  }
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override {
    in += from_client;
    out += from_backend;
  }
  void on_relay_done(Reason its_reason) override { reason = its_reason; }

  ServerTls server_tls_{plain_server()};
  ClientTls client_tls_{careless_client()};
  Loop loop;
  std::unique_ptr<End> client;
  std::unique_ptr<End> backend;
  std::unique_ptr<End> near_client;
  bool ready = false;
  std::size_t in = 0;
  std::size_t out = 0;
  std::optional<Reason> reason;
  Relay relay{loop.net, *this};
};

struct Sides {
  bool client;
  bool backend;
};
constexpr Sides sides[] = {{true, false}, {false, true}, {true, true}};

}  // namespace

TEST_CASE("relay over tls: 16 MiB each way byte for byte, counted in plain bytes, then a clean end") {
  const std::string up = pattern(16 << 20);
  const std::string down = pattern((16 << 20) + 99);
  for (const Sides& tls : sides) {
    CAPTURE(tls.client);
    CAPTURE(tls.backend);
    TlsRig rig(tls.client, tls.backend);
    REQUIRE(rig.ready);
    rig.client->send(up);
    rig.backend->send(down);
    REQUIRE(rig.loop.until([&] {
      return rig.backend->received.size() >= up.size() && rig.client->received.size() >= down.size();
    }));
    CHECK(rig.backend->received == up);
    CHECK(rig.client->received == down);
    rig.client->shut();
    rig.backend->shut();
    REQUIRE(rig.loop.until([&] { return rig.reason && rig.client->ended && rig.backend->ended; }));
    CHECK(*rig.reason == Reason::ok);
    CHECK(rig.in == up.size());
    CHECK(rig.out == down.size());
  }
}

TEST_CASE(
    "relay over tls: a half-close is passed on as the other side speaks it, and the answer still comes") {
  const std::string answer = pattern(3 << 20);
  for (const Sides& tls : sides)
    for (const bool from_client : {true, false}) {
      CAPTURE(tls.client);
      CAPTURE(tls.backend);
      CAPTURE(from_client);
      TlsRig rig(tls.client, tls.backend);
      REQUIRE(rig.ready);
      End& first = from_client ? *rig.client : *rig.backend;
      End& second = from_client ? *rig.backend : *rig.client;
      first.send("question");
      first.shut();
      REQUIRE(rig.loop.until([&] { return second.ended; }));
      CHECK(second.received == "question");
      CHECK_FALSE(rig.reason);
      second.send(answer);
      second.shut();
      REQUIRE(rig.loop.until([&] { return first.ended; }));
      CHECK(first.received == answer);
      REQUIRE(rig.loop.until([&] { return rig.reason.has_value(); }));
      CHECK(*rig.reason == Reason::ok);
    }
}

TEST_CASE("relay over tls: who does not read stops who writes, and gets everything when it reads again") {
  const std::string bytes = pattern(64 << 20);
  for (const Sides& tls : sides) {
    CAPTURE(tls.client);
    CAPTURE(tls.backend);
    TlsRig rig(tls.client, tls.backend);
    REQUIRE(rig.ready);
    rig.client->reads = false;
    rig.backend->send(bytes);
    std::size_t before = 0;
    for (int quiet = 0; quiet < 20; rig.loop.turn()) {
      quiet = rig.out == before ? quiet + 1 : 0;
      before = rig.out;
    }
    CHECK(rig.out < bytes.size() / 2);
    rig.client->reads = true;
    rig.client->run();
    REQUIRE(rig.loop.until([&] { return rig.client->received.size() >= bytes.size(); }));
    CHECK(rig.client->received == bytes);
  }
}

TEST_CASE("relay over tls: an end without close_notify is no clean end for the other side") {
  for (const Sides& tls : sides) {
    CAPTURE(tls.client);
    CAPTURE(tls.backend);
    TlsRig rig(tls.client, tls.backend);
    REQUIRE(rig.ready);
    const bool from_client = tls.client;
    End& cut = from_client ? *rig.client : *rig.backend;
    End& other = from_client ? *rig.backend : *rig.client;
    cut.send("half");
    REQUIRE(rig.loop.until([&] { return other.received == "half"; }));
    cut.stream.close();
    REQUIRE(rig.loop.until([&] { return rig.reason.has_value() && (other.broken || other.ended); }));
    CHECK(*rig.reason == (from_client ? Reason::client_closed : Reason::upstream_closed));
    CHECK_FALSE(other.ended);
  }
}
