#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/dial.h"
#include "lib/upstream/link.h"

namespace arcus {

struct ConnectRequest {
  std::string host;  ///< what is dialled: the target, or a parent proxy
  std::uint16_t port = 0;
  std::chrono::milliseconds timeout{30'000};  ///< DNS, TCP, TLS and the parent's handshake together
  std::optional<IpAddress> source;            ///< bind to it first
  std::shared_ptr<const BackendLink> link;    ///< null = plain TCP
  std::string proxy_header;                   ///< PROXY protocol: sent before anything else; empty = none
  std::string tunnel_host;                    ///< with a parent: where it is to connect to; empty = to itself
  std::uint16_t tunnel_port = 0;
};

/// A Dialer that also does what must happen before an upstream connection can be used: sends the PROXY
/// header, speaks TLS, has a parent proxy connect further. Reports as a Dialer does; on_address and on_reuse
/// are about what is dialled, and a reused connection is passed on as it is.
///
/// Reasons beyond a Dialer's: upstream_tls_failed, upstream_protocol, upstream_closed.
class Connector final : private DialHandler {
 public:
  Connector(NetContext& context, DialHandler& handler) noexcept;
  ~Connector();

  /// Begins; anything under way is dropped first.
  void start(ConnectRequest request);
  /// As a start() that ends with `reason`: on_dial_failed comes after this has returned.
  void fail_later(Reason reason);
  /// Ends without a callback.
  void stop() noexcept;
  bool is_active() const noexcept { return dialer_.is_active() || work_ != nullptr; }
  const DialTimes& times() const noexcept { return dialer_.times(); }

  // Inside on_dial_failed.

  /// True when a parent proxy works and says that it cannot reach the target: says nothing about the parent,
  /// and another one would hardly do better.
  bool is_target_failure() const noexcept { return target_failure_; }
  /// What happened, as a sentence: "the parent proxy wants credentials"; empty when the reason says it all.
  const std::string& detail() const noexcept { return detail_; }

 private:
  class Work;

  Reason on_address(const Endpoint& address) override { return handler_.on_address(address); }
  Stream on_reuse(const Endpoint& address) override { return handler_.on_reuse(address); }
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;

  NetContext& context_;
  DialHandler& handler_;
  Dialer dialer_;
  std::unique_ptr<Work> work_;  ///< null = plain TCP
  std::string detail_;
  bool target_failure_ = false;
};

}  // namespace arcus
