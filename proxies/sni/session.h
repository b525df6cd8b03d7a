#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "lib/net/deadline.h"
#include "lib/net/relay.h"
#include "lib/policy/policy.h"
#include "lib/policy/routes.h"
#include "lib/runtime/connection.h"
#include "lib/runtime/upstream_dial.h"
#include "lib/tls/client_hello.h"
#include "lib/upstream/backends.h"
#include "proxies/sni/config.h"
#include "proxies/sni/handler.h"

namespace arcus {

/// One client of an sni server: its ClientHello is read, the name in it chooses the upstream, and the bytes
/// go there as they came; then they are relayed both ways.
class SniSession final : public Session,
                         private StreamHandler,
                         private DeadlineHandler,
                         private DialHandler,
                         private RelayHandler {
 public:
  SniSession(SniHandler& handler, ClientConnection connection);

  void start() override;
  void on_drain() override;
  void on_config() override;
  void on_kill(Reason reason) override;

 private:
  enum class Phase : std::uint8_t { hello, dialing, relay, over };

  /// What is needed only until an upstream answers.
  struct Opening {
    Opening(SniSession& session, std::size_t limit) : reader(limit), deadline(session) {}
    tls::ClientHelloReader reader;
    std::string received;  ///< everything the client has sent
    Deadline deadline;     ///< handshake_timeout
    std::optional<UpstreamDial> dial;
    SteadyTime began;  ///< dialing
  };

  // session.cc: from the hello to a route, and the end.
  void on_ready(Stream& stream) override;
  void on_deadline(Deadline& deadline) override;
  void read_hello();
  void not_tls();
  void route(const tls::ClientHello& hello);
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override;
  void on_relay_done(Reason reason) override;
  /// Says why in TLS' words, then closes.
  void refuse(Reason reason, tls::Alert alert);
  /// Closes without an answer: RST, unless the relay has closed.
  void finish(Reason reason);
  void record(Reason reason);

  // dial.cc: getting to the upstream.
  policy::Request question() const;
  /// By the rules; with an address that the client chose also by the destination guard.
  Reason judge(const Endpoint* address);
  void dial(const policy::Route& route);
  Reason on_address(const Endpoint& address) override;
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;

  const SniConfig& config() const noexcept {
    return static_cast<const SniConfig&>(*connection_.config().protocol_config);
  }

  SniHandler& handler_;
  std::unique_ptr<Opening> opening_;
  Relay relay_;
  BackendSlot backend_slot_;
  std::string name_;  ///< empty = the client named none
  std::optional<Endpoint> upstream_;
  std::uint16_t port_ = 0;     ///< the port that rules judge
  std::uint16_t version_ = 0;  ///< what the client's TLS calls itself
  Phase phase_ = Phase::hello;
  bool guarded_ = false;  ///< the client chose the destination
  std::uint32_t connect_us_ = 0;
  std::uint32_t dns_us_ = 0;
  std::uint32_t rule_ = 0;  ///< tally of the rule that decided
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace arcus
