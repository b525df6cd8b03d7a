#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/net/context.h"
#include "lib/net/datagram.h"
#include "lib/net/deadline.h"
#include "lib/net/resolver.h"
#include "lib/runtime/limits.h"
#include "proxies/socks/config.h"
#include "proxies/socks/contacts.h"
#include "proxies/socks/message.h"

namespace arcus::socks {

class AssociationHandler {
 public:
  /// May a datagram go there? `host` is the name the client gave; empty when it gave the address.
  virtual bool may_send(std::string_view host, const Endpoint& to) = 0;
  /// May one for `host` be resolved?
  virtual bool may_resolve(std::string_view host, std::uint16_t port) = 0;
  /// Do the limits of bandwidth let so many bytes pass now? Else the datagram is dropped.
  virtual bool may_pass(std::size_t bytes) noexcept = 0;
  /// A datagram was passed on: so many bytes as the client sent or got them.
  virtual void on_datagram_moved(std::size_t from_client, std::size_t to_client) noexcept = 0;
  virtual void on_association_idle() = 0;

 protected:
  ~AssociationHandler() = default;
};

/// The UDP side of one UDP ASSOCIATE: one socket for the client, one per family for everybody else.
///
/// Only the client's address may use it, from the port it declared or else from the first that it uses.
/// Answers come back only from where datagrams went. Names wait for the resolver in a short queue; whatever
/// has no place is dropped.
class Association final : private DatagramHandler, private DeadlineHandler {
 public:
  static constexpr std::int64_t max_per_tenant = 64;
  static constexpr std::size_t max_waiting = 16;
  static constexpr std::size_t max_waiting_bytes = 64 * 1024;

  struct Wish {
    IpAddress client;      ///< the control connection's
    Destination declared;  ///< from where the client will send; zeros = not known
    IpAddress local;       ///< the address the client dialled
    const SocksConfig* config = nullptr;
    std::shared_ptr<LimitGroup> tenant;
  };

  Association(NetContext& context, AssociationHandler& handler) noexcept;
  ~Association() { close(); }
  Association(const Association&) = delete;
  Association& operator=(const Association&) = delete;

  /// Reason::ok, limit_tenant, local_resource.
  Reason open(const Wish& wish);
  void close() noexcept;
  /// What to tell the client.
  Endpoint advertised() const noexcept;
  /// The rules have changed: answers come only from where datagrams go from now on.
  void forget_contacts() noexcept { contacts_.clear(); }

 private:
  /// A datagram whose name is being looked up.
  struct Waiting final : ResolveQuery {
    void on_resolved(Reason reason, std::span<const IpAddress> addresses) override;
    Association* owner = nullptr;
    std::list<Waiting>::iterator self;
    std::string host;
    std::string payload;
    std::size_t received = 0;
    std::uint16_t port = 0;
  };

  void on_datagrams(DatagramSocket& socket) override;
  void on_deadline(Deadline& deadline) override;
  bool open_client_side(const IpAddress& local, PortRange ports);
  void take_from_client(std::string_view bytes, const Endpoint& from);
  void take_answer(std::string_view payload, const Endpoint& from);
  bool is_client(const Endpoint& from) const noexcept;
  void wait_for(const Datagram& datagram, std::size_t received);
  void send_to_any(std::string_view host, std::uint16_t port, std::span<const IpAddress> addresses,
                   std::string_view payload, std::size_t received);
  bool send_out(std::string_view payload, const Endpoint& to);

  NetContext& context_;
  AssociationHandler& handler_;
  DatagramSocket client_side_;
  DatagramSocket v4_side_;
  DatagramSocket v6_side_;
  Deadline idle_{*this};
  DeadlineList* idle_list_ = nullptr;
  Contacts contacts_;
  std::list<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::shared_ptr<LimitGroup> tenant_;  ///< set while we hold a unit of its associations
  Endpoint client_;                     ///< port 0 = not known yet
  std::optional<IpAddress> advertise_;
  std::optional<IpAddress> egress_;
};

}  // namespace arcus::socks
