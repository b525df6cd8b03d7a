#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "lib/net/relay.h"
#include "lib/runtime/connection.h"
#include "lib/runtime/upstream_dial.h"

namespace arcus {

/// One client of a tcp server: a backend is dialled at once, the next one when that fails (3 at most, within
/// connection_timeout, and no client byte was sent before), then bytes are relayed both ways.
class TcpSession final : public Session, private StreamHandler, private DialHandler, private RelayHandler {
 public:
  explicit TcpSession(ClientConnection connection);

  void start() override;
  void on_config() override;
  void on_kill(Reason reason) override;

 private:
  Reason judge(const IpAddress* address);
  void on_ready(Stream& stream) override;
  Reason on_address(const Endpoint& address) override;
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override;
  void on_relay_done(Reason reason) override;
  /// Records, closes (RST unless the relay has done it) and ends.
  void finish(Reason reason);

  std::unique_ptr<UpstreamDial> dial_;  ///< until a backend answers
  Relay relay_;
  BackendSlot backend_slot_;
  std::optional<Endpoint> upstream_;
  std::unique_ptr<const std::string> user_;  ///< of the client's certificate, when users are asked for
  std::uint32_t connect_us_ = 0;
  std::uint32_t rule_ = 0;  ///< tally of the rule that decided
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace arcus
