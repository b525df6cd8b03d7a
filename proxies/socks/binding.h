#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/base/unique_fd.h"
#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/net/resolver.h"
#include "proxies/socks/message.h"

namespace arcus::socks {

class BindingHandler {
 public:
  /// May this address connect? ok, or why not.
  virtual Reason on_peer_address(const IpAddress& address) = 0;
  /// The peer may come now.
  virtual void on_listening(const Endpoint& local) = 0;
  virtual void on_peer(UniqueFd socket, const Endpoint& peer) = 0;
  /// Before or after on_listening: dns_failed, what on_peer_address said, local_resource, connect_timeout.
  virtual void on_bind_failed(Reason reason) = 0;

 protected:
  ~BindingHandler() = default;
};

/// A listening socket for the one peer a BIND request names (by its address: FTP servers come from another
/// port than the one they were reached at). Anybody else is reset.
class Binding final : private PollHandler, private DeadlineHandler, private ResolveQuery {
 public:
  Binding(NetContext& context, BindingHandler& handler) noexcept : context_(context), handler_(handler) {}
  ~Binding() override { close(); }

  struct Wish {
    Destination peer;
    std::optional<IpAddress> source;  ///< listen there, when it is of the peer's family
    bool v4_only = false;             ///< SOCKS4 cannot say more
    std::chrono::milliseconds timeout{120'000};
  };
  /// Begins; the handler may hear before this returns.
  void start(const Wish& wish);
  void close() noexcept;

 private:
  void on_resolved(Reason reason, std::span<const IpAddress> addresses) override;
  void on_events(std::uint32_t events) override;
  void on_deadline(Deadline& deadline) override;
  void listen_for(std::span<const IpAddress> addresses);
  void fail(Reason reason);

  NetContext& context_;
  BindingHandler& handler_;
  UniqueFd listening_;
  std::vector<IpAddress> peers_;
  std::optional<IpAddress> source_;
  bool v4_only_ = false;
  Deadline deadline_{*this};
};

}  // namespace arcus::socks
