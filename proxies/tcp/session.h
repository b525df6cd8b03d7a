#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "lib/net/deadline.h"
#include "lib/net/relay.h"
#include "lib/runtime/connection.h"
#include "lib/upstream/connector.h"

namespace arcus {

/// One client of a tcp server: a backend is dialled at once, the next one when that fails (3 at most, within
/// connection_timeout, and no client byte was sent before), then bytes are relayed both ways.
class TcpSession final : public Session, private DialHandler, private RelayHandler, private DeadlineHandler {
 public:
  static constexpr std::size_t max_attempts = 3;

  explicit TcpSession(ClientConnection connection);

  void start() override;
  void on_config() override;
  void on_kill(Reason reason) override;

 private:
  /// What is needed only until a backend answers.
  struct Dialling {
    Dialling(NetContext& context, TcpSession& session) : connector(context, session), total(session) {}
    Connector connector;
    Deadline total;
    std::vector<std::size_t> tried;
    const Backend* backend = nullptr;
  };

  Reason judge(const IpAddress* address);
  void try_next();
  Reason on_address(const Endpoint& address) override;
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override;
  void on_relay_done(Reason reason) override;
  void on_deadline(Deadline& deadline) override;
  /// Records, closes (RST unless the relay has done it) and ends.
  void finish(Reason reason);

  std::unique_ptr<Dialling> dialling_;
  Relay relay_;
  BackendSlot backend_slot_;
  std::optional<Endpoint> upstream_;
  std::unique_ptr<const std::string> user_;  ///< of the client's certificate, when users are asked for
  std::uint32_t connect_us_ = 0;
  std::uint32_t rule_ = 0;  ///< tally of the rule that decided
  Reason last_failure_ = Reason::no_backend;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace arcus
