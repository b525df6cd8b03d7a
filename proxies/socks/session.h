#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "lib/net/backlog.h"
#include "lib/net/deadline.h"
#include "lib/net/relay.h"
#include "lib/runtime/connection.h"
#include "lib/runtime/login.h"
#include "lib/runtime/upstream_dial.h"
#include "lib/tls/name_witness.h"
#include "proxies/socks/association.h"
#include "proxies/socks/binding.h"
#include "proxies/socks/config.h"
#include "proxies/socks/message.h"
#include "proxies/socks/rules.h"

namespace arcus::socks {

/// One client of a socks server: greeting and request, then the connection, the listening socket or the UDP
/// relay that was asked for. What a client sends ahead of our reply waits here (at most what came with the
/// request) and in its socket.
class SocksSession final : public Session,
                           private StreamHandler,
                           private DeadlineHandler,
                           private DialHandler,
                           private LoginHandler,
                           private RelayHandler,
                           private BindingHandler,
                           private AssociationHandler {
 public:
  explicit SocksSession(ClientConnection connection);

  void start() override;
  void on_drain() override;
  void on_config() override;
  void on_kill(Reason reason) override;

 private:
  enum class Phase : std::uint8_t {
    greeting,    ///< nothing is agreed on
    login,       ///< a user name and password are to come
    checking,    ///< what they are worth is being found out
    request,     ///< a SOCKS5 client may ask
    dialing,     ///< the destination is being connected
    binding,     ///< a peer is awaited
    tunnel,      ///< the relay has both streams
    associated,  ///< datagrams; the connection says only when to end
    over,
  };

  // session.cc: the client's life.
  void on_ready(Stream& stream) override;
  void on_deadline(Deadline& deadline) override;
  void read();
  bool take_message(std::string_view& bytes);
  void count_in(std::size_t bytes) noexcept;
  /// Sends a short message; false when the client is gone, which has ended us.
  bool send(std::string_view bytes);
  bool send_reply(const Endpoint& bound);
  void refuse(Reason reason, Code code);
  void refuse(Reason reason);
  void close_politely(Reason reason, std::string_view last);
  void finish(Reason reason);
  void record(Reason reason);
  void release() noexcept;

  // request.cc: what is agreed on and asked for.
  bool choose_method(const Greeting& greeting);
  void log_in(const UserPassword& shown);
  void on_login(Reason reason) override;
  void end_login(Reason reason);
  void begin(const Request& request);
  void begin_binding(const Destination& peer);
  void begin_association(const Destination& declared);
  std::string_view user() const noexcept { return login_ ? login_->user() : std::string_view{}; }
  Asked asked() const noexcept { return {connection_.peer().address, user(), host_, port_}; }
  /// Keeps which rule it was; ok or why not.
  Reason decided(const policy::Decision& decision) noexcept {
    rule_ = decision.tally;
    return decision.reason;
  }
  /// By the newest users: ok, or why whoever began this may not go on.
  Reason judge_user() const noexcept;
  const ServerConfig& newest() const noexcept;

  // connect.cc: getting to the destination.
  void dial();
  Reason on_address(const Endpoint& address) override;
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;

  // transfer.cc: everything after the reply.
  void open_tunnel(Stream upstream, const Endpoint& address, const Endpoint& bound);
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override;
  bool on_client_bytes(std::string_view bytes) override;
  void on_relay_done(Reason reason) override;
  Reason on_peer_address(const IpAddress& address) override;
  void on_listening(const Endpoint& local) override;
  void on_peer(UniqueFd socket, const Endpoint& peer) override;
  void on_bind_failed(Reason reason) override;
  bool may_send(std::string_view host, const Endpoint& to) override;
  bool may_resolve(std::string_view host, std::uint16_t port) override;
  bool may_pass(std::size_t bytes) noexcept override;
  void on_datagram_moved(std::size_t from_client, std::size_t to_client) noexcept override;
  void on_association_idle() override;

  Stream& client() noexcept { return connection_.stream(); }
  NetContext& net() const noexcept;
  const SocksConfig& config() const noexcept { return config_of(connection_.config()); }
  bool is_negotiating() const noexcept {
    return phase_ == Phase::greeting || phase_ == Phase::login || phase_ == Phase::request;
  }

  Relay relay_;
  std::unique_ptr<tls::NameWitness> witness_;  ///< of the TLS in a tunnel; null = nobody wants to know
  Deadline deadline_{*this};
  Backlog in_;                    ///< read, not yet understood or not yet passed on
  std::unique_ptr<Login> login_;  ///< null until credentials are shown
  std::unique_ptr<UpstreamDial> dialer_;
  std::unique_ptr<Binding> binding_;
  std::unique_ptr<Association> association_;
  std::string host_;  ///< as the rules see it
  std::optional<Endpoint> upstream_;
  BackendSlot parent_slot_;
  SteadyTime asked_at_;
  std::chrono::microseconds response_time_{0};
  DialTimes times_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint32_t rule_ = 0;  ///< tally of the rule that decided
  std::uint16_t port_ = 0;
  Version version_ = Version::v5;
  Command command_ = Command::connect;
  Phase phase_ = Phase::greeting;
  bool has_asked_ = false;
  bool served_ = false;
  bool via_parent_ = false;
};

}  // namespace arcus::socks
