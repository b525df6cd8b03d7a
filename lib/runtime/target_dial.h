#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/net/deadline.h"
#include "lib/runtime/connection.h"
#include "lib/upstream/connector.h"

namespace arcus {

/// What to ask a Connector for to reach one of the server's own backends for `client`.
ConnectRequest to_backend(const ClientConnection& client, const Backend& backend,
                          std::chrono::milliseconds timeout);
/// The same for a target that is none of them. `parent` of nullptr = directly.
ConnectRequest to_target(const ClientConnection& client, std::string_view host, std::uint16_t port,
                         const Backend* parent, std::chrono::milliseconds timeout);

/// The way to a target that is no backend of the server: directly, or through its parent proxies when it has
/// some, the next one when one fails (3 at most, all within connection_timeout). Reports as a Connector does;
/// of parents, which the operator chose, on_address hears nothing.
class TargetDial final : private DialHandler, private DeadlineHandler {
 public:
  static constexpr std::size_t max_attempts = 3;

  /// Both must outlive it.
  TargetDial(ClientConnection& client, DialHandler& handler) noexcept;

  /// Begins; `host` is a name or a literal without brackets.
  void start(std::string_view host, std::uint16_t port);
  const DialTimes& times() const noexcept { return connector_.times(); }
  bool has_parent() const noexcept { return parent_ != nullptr; }

  // Inside on_dialed and on_dial_failed.

  /// The parent's unit, to be kept as long as the connection lives.
  BackendSlot take_slot() noexcept { return std::move(slot_); }
  /// As Connector::detail.
  const std::string& detail() const noexcept { return connector_.detail(); }

 private:
  Reason on_address(const Endpoint& address) override;
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;
  void on_deadline(Deadline& deadline) override;
  bool choose_parent();
  void attempt();

  ClientConnection& client_;
  DialHandler& handler_;
  Connector connector_;
  Deadline total_{*this};
  std::string host_;
  std::uint16_t port_ = 0;
  std::vector<std::size_t> tried_;  ///< parents, by index
  const Backend* parent_ = nullptr;
  BackendSlot slot_;
  Reason last_failure_ = Reason::no_backend;
};

/// True when a server sends what its clients ask for through parent proxies.
bool has_parents(const ServerConfig& config) noexcept;
/// By the rules, for what a parent proxy is to reach: where it looks up the name, rules that need an address
/// cannot be asked.
policy::Decision decide_for_parent(const ServerConfig& config, const policy::Request& request);

}  // namespace arcus
