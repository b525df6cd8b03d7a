#include <doctest/doctest.h>

#include <optional>

#include "lib/net/relay.h"
#include "tests/unit/net/loop.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

namespace {

/// A relay between two pairs; the test holds the outer ends.
struct Rig final : RelayHandler {
  explicit Rig(std::string_view client_bytes = {}, std::string_view backend_bytes = {},
               std::chrono::milliseconds idle = 10s) {
    auto [outer_client, inner_client] = tcp_pair();
    auto [outer_backend, inner_backend] = tcp_pair();
    client = std::move(outer_client);
    backend = std::move(outer_backend);
    near_client = Stream(loop.poller, std::move(inner_client));
    relay.start(near_client, Stream(loop.poller, std::move(inner_backend)), client_bytes, backend_bytes,
                idle);
  }
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override {
    in += from_client;
    out += from_backend;
  }
  void on_relay_done(Reason its_reason) override { reason = its_reason; }
  bool run(const std::function<bool()>& done) { return loop.until(done); }

  Loop loop;
  UniqueFd client;
  UniqueFd backend;
  std::size_t in = 0;
  std::size_t out = 0;
  std::optional<Reason> reason;
  Stream near_client;
  Relay relay{loop.net, *this};
};

}  // namespace

TEST_CASE("relay: left-over bytes go first, then what comes, both ways, all counted") {
  Rig rig("early ", "greeting ");
  std::string at_backend;
  std::string at_client;
  REQUIRE(socket::send(rig.client.get(), "request") == 7);
  REQUIRE(socket::send(rig.backend.get(), "response") == 8);
  CHECK(rig.run([&] {
    at_backend += read_now(rig.backend.get());
    at_client += read_now(rig.client.get());
    return at_backend == "early request" && at_client == "greeting response";
  }));
  CHECK(rig.in == 13);
  CHECK(rig.out == 17);
  CHECK_FALSE(rig.reason);
}

TEST_CASE("relay: a half-close is passed on, the other direction goes on until its own") {
  Rig rig;
  ::shutdown(rig.client.get(), SHUT_WR);
  CHECK(rig.run([&] { return is_over(rig.backend.get()); }));
  CHECK_FALSE(rig.reason);
  REQUIRE(socket::send(rig.backend.get(), "late") == 4);
  std::string got;
  CHECK(rig.run([&] { return (got += read_now(rig.client.get())) == "late"; }));
  ::shutdown(rig.backend.get(), SHUT_WR);
  CHECK(rig.run([&] { return rig.reason.has_value(); }));
  CHECK(*rig.reason == Reason::ok);
  CHECK(is_over(rig.client.get()));
  CHECK_FALSE(rig.relay.is_active());
}

TEST_CASE("relay: a reset on one side becomes a reset on the other, with the side's reason") {
  for (const bool from_client : {true, false}) {
    CAPTURE(from_client);
    Rig rig;
    UniqueFd& dying = from_client ? rig.client : rig.backend;
    UniqueFd& other = from_client ? rig.backend : rig.client;
    socket::set_reset_on_close(dying.get());
    dying.reset();
    CHECK(rig.run([&] { return rig.reason.has_value(); }));
    CHECK(*rig.reason == (from_client ? Reason::client_closed : Reason::upstream_closed));
    char byte;
    CHECK(::recv(other.get(), &byte, 1, MSG_DONTWAIT) == -1);
    CHECK(errno == ECONNRESET);
  }
}

TEST_CASE("relay: bulk turns to splicing and back, nothing is lost or reordered") {
  Rig rig;
  std::string sent;
  std::string got;
  const std::size_t total = 6 << 20;
  CHECK(rig.run([&] {
    if (sent.size() < total) {
      std::string part(200'000, '\0');
      for (std::size_t i = 0; i < part.size(); ++i)
        part[i] = static_cast<char>((sent.size() + i) * 2654435761u >> 24);
      const ssize_t n = socket::send(rig.client.get(), part);
      if (n > 0) sent.append(part.data(), static_cast<std::size_t>(n));
    } else {
      ::shutdown(rig.client.get(), SHUT_WR);
    }
    got += read_now(rig.backend.get());
    return got.size() >= total && is_over(rig.backend.get());
  }));
  CHECK((got == sent));
  CHECK(rig.in == sent.size());
}

TEST_CASE("relay: a reader that does not read stops the writer, with little of ours in between") {
  Rig rig;
  std::size_t sent = 0;
  const std::string block(64 * 1024, 'x');
  int idle_turns = 0;
  while (idle_turns < 50 && sent < (64u << 20)) {
    const ssize_t n = socket::send(rig.client.get(), block);
    idle_turns = n > 0 ? 0 : idle_turns + 1;
    if (n > 0) sent += static_cast<std::size_t>(n);
    rig.loop.turn();
  }
  CHECK(sent < (64u << 20));
  std::size_t got = 0;
  CHECK(rig.run([&] { return (got += read_now(rig.backend.get()).size()) == sent; }));
}

TEST_CASE("relay: idle_timeout ends it when nothing moves, not before") {
  Rig rig({}, {}, 60ms);
  const SteadyTime start = std::chrono::steady_clock::now();
  CHECK(rig.run([&] { return rig.reason.has_value(); }));
  CHECK(*rig.reason == Reason::idle_timeout);
  CHECK(std::chrono::steady_clock::now() - start >= 55ms);
}

TEST_CASE("relay: a peer that was gone before start is told later, not inside start") {
  struct Handler final : RelayHandler {
    void on_relayed(std::size_t, std::size_t) noexcept override {}
    void on_relay_done(Reason its_reason) override { reason = its_reason; }
    std::optional<Reason> reason;
  };
  Loop loop;
  auto [outer_client, inner_client] = tcp_pair();
  auto [outer_backend, inner_backend] = tcp_pair();
  Stream client(loop.poller, std::move(inner_client));
  Stream backend(loop.poller, std::move(inner_backend));
  socket::set_reset_on_close(outer_backend.get());
  outer_backend.reset();
  REQUIRE(loop.until([&] { return backend.broken(); }));
  Handler handler;
  Relay relay(loop.net, handler);
  relay.start(client, std::move(backend), "x", {}, 10s);
  CHECK_FALSE(handler.reason);
  CHECK(loop.until([&] { return handler.reason.has_value(); }));
  CHECK(*handler.reason == Reason::upstream_closed);
}
