#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "lib/net/deadline.h"
#include "lib/runtime/backend_choice.h"
#include "lib/runtime/connection.h"
#include "lib/upstream/connector.h"

namespace arcus {

/// How long one attempt may take: a third of connection_timeout while another backend could be tried after
/// it.
std::chrono::milliseconds attempt_timeout(const ServerConfig& config, bool may_go_on) noexcept;
/// What to ask a Connector for to reach one of the server's own backends for `client`.
ConnectRequest to_backend(const ClientConnection& client, const Backend& backend,
                          std::chrono::milliseconds timeout);
/// The same for a target that is none of them. `parent` of nullptr = directly.
ConnectRequest to_target(const ClientConnection& client, std::string_view host, std::uint16_t port,
                         const Backend* parent, std::chrono::milliseconds timeout);

/// The way of one client to its upstream: to a target directly; to one of the server's backends, or through
/// one of its parent proxies to a target, the next one when one fails, waiting in line while all are full;
/// at most connection_timeout; then the same once more for all attempts together. Reports as a Connector
/// does; of parents, which the operator chose, on_address hears nothing.
class UpstreamDial final : private DialHandler, private DeadlineHandler, private TurnHandler {
 public:
  /// Both must outlive it.
  UpstreamDial(ClientConnection& client, DialHandler& handler) noexcept;

  /// Begins towards one of the server's own backends.
  void start_to_backend();
  /// Begins towards a target, through a parent when the server has some; `host` is a name or a literal
  /// without brackets.
  void start_to_target(std::string_view host, std::uint16_t port);
  /// The same, never through a parent.
  void start_directly(std::string_view host, std::uint16_t port);

  const DialTimes& times() const noexcept { return connector_.times(); }
  bool has_parent() const noexcept { return through_parents_; }

  // Inside on_dialed and on_dial_failed.

  /// The unit of the backend or parent, to be kept as long as the connection lives.
  BackendSlot take_slot() noexcept { return choice_.take_slot(); }
  /// As Connector::detail.
  const std::string& detail() const noexcept { return connector_.detail(); }

 private:
  Reason on_address(const Endpoint& address) override;
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;
  void on_deadline(Deadline& deadline) override;
  void on_turn() override;
  void step(bool is_first);
  void attempt();

  ClientConnection& client_;
  DialHandler& handler_;
  Connector connector_;
  BackendChoice choice_;
  Deadline total_{*this};  ///< of the wait, then of all attempts together
  SteadyTime attempted_at_;
  std::string host_;
  std::uint16_t port_ = 0;
  bool through_parents_ = false;
  Reason last_failure_ = Reason::no_backend;
};

/// True when a server sends what its clients ask for through parent proxies.
bool has_parents(const ServerConfig& config) noexcept;
/// By the rules, for what a parent proxy is to reach: where it looks up the name, rules that need an address
/// cannot be asked.
policy::Decision decide_for_parent(const ServerConfig& config, const policy::Request& request);

}  // namespace arcus
