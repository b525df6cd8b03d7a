#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "lib/http/write.h"
#include "lib/net/deadline.h"
#include "lib/runtime/connection.h"
#include "lib/runtime/login.h"
#include "lib/runtime/thread.h"
#include "lib/runtime/upstream_dial.h"
#include "proxies/http/config.h"
#include "proxies/http/exchange.h"
#include "proxies/http/handler.h"

namespace arcus::http {

/// One client of an http server: requests one after the other (what is pipelined waits in its socket), each
/// to its upstream, or a tunnel after CONNECT or an upgrade. While nothing is asked, no Exchange and no
/// buffer is held.
class HttpSession final : public Session,
                          private StreamHandler,
                          private DeadlineHandler,
                          private DialHandler,
                          private RelayHandler,
                          private LoginHandler,
                          private TurnHandler,
                          private Deferred {
 public:
  /// `already_read` came from the client before it was known to speak HTTP.
  HttpSession(HttpHandler& handler, ClientConnection connection, std::string_view already_read = {});

  void start() override;
  void on_drain() override;
  void on_config() override;
  void on_kill(Reason reason) override;

 private:
  enum class Phase : std::uint8_t {
    head,      ///< between requests, or within a request head
    login,     ///< a head waits in client_in_ for what its credentials are worth
    queue,     ///< a head waits in client_in_ for room at a backend
    dialing,   ///< a request waits for its upstream
    exchange,  ///< bodies and the answer are on their way
    tunnel,    ///< the relay has both streams
    over,
  };

  // session.cc: the client's life.
  void on_ready(Stream& stream) override;
  void on_deadline(Deadline& deadline) override;
  void on_deferred() override;
  /// Goes on until something has to be waited for. The steps return true when the next one may run.
  void run();
  void run_steps();
  bool read_head();
  bool needs_more(std::string_view bytes);
  void lost_before_request(IoStatus status);
  void record();
  /// Nothing more will come of the connection: records what was asked, then RST.
  void abort(Reason reason);
  void close_politely(std::string_view rest);
  void release_exchange();

  // login.cc: who asks.
  bool identify(const RequestHead& head, std::string_view rest);
  bool identify_by_certificate();
  void on_login(Reason reason) override;
  bool ask_for_credentials(Reason reason);
  std::string_view user() const noexcept {
    return login_ && connection_.config().users ? login_->user() : std::string_view{};
  }
  /// By the newest users: ok, or why whoever began this may not go on.
  Reason judge_user(bool as_tunnel) const noexcept;

  // request.cc: from a head to an upstream.
  bool begin(const RequestHead& head, std::string_view rest);
  void note(const RequestHead& head);
  bool admit_rate();
  void set_throttles();
  bool admit(const RequestHead& head);
  bool admit_forward(const RequestHead& head);
  bool admit_reverse(const RequestHead& head);
  bool admit_backend();
  /// Everything goes on as if the head in client_in_ had just come.
  void resume_head();
  bool admit_route(const Authority& asked);
  bool admit_hops(const RequestHead& head);
  bool dispatch(const RequestHead& head, std::string_view rest);
  std::size_t write_head(const RequestHead& head, std::span<char> out);
  /// Answers with an error of our own; keeps the client when nothing of its request is left unread.
  bool reply(std::uint16_t status, Reason reason, std::span<const OwnField> fields = {});
  bool reject(Fault fault);

  // upstream.cc: which upstream, and getting there.
  policy::Request question() const;
  Reason judge(const Endpoint& address);
  /// By the newest rules, once the address is known.
  Reason judge_anew() const;
  /// By the rules, as far as they can be asked before a look-up.
  policy::Decision decide_early(const ServerConfig& snapshot) const;
  /// Of the request under way, or of the one that became a tunnel.
  RequestFacts& facts() noexcept { return tunnel_ ? tunnel_->facts : *exchange_; }
  const RequestFacts& facts() const noexcept { return tunnel_ ? tunnel_->facts : *exchange_; }
  bool uses_parents() const noexcept { return facts().guarded && has_parents(connection_.config()); }
  KeepAliveKey key_for(const Endpoint& address) const;
  bool may_pool() const noexcept { return connection_.config().proxy_out == 0 || exchange_->has_parent(); }
  BackendChoice::Step choose_backend();
  void on_turn() override;
  void try_another();
  Stream take_kept();
  Stream take_pinned();
  Stream take_kept(const Endpoint& address);
  void dial();
  Reason on_address(const Endpoint& address) override;
  Stream on_reuse(const Endpoint& address) override;
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override;
  bool send_request(std::string_view head, std::string_view body);
  /// The upstream has gone before it answered: once more elsewhere, or 502.
  bool lost_upstream();

  // answer.cc: the exchange.
  bool move_exchange();
  bool move_request();
  bool read_answer();
  bool take_answer(std::span<char> bytes, std::size_t& used);
  bool pass_interim(const ResponseHead& head);
  bool flush_interims();
  bool pass_answer(const ResponseHead& head, std::string_view rest, std::size_t& used);
  bool bad_answer();
  bool move_answer();
  void count_ahead(std::size_t bytes) noexcept;
  bool finish();
  void keep_upstream();

  // tunnel.cc
  /// Leaves the exchange for a tunnel; client and upstream are still to be handed over.
  Tunnel& become_tunnel();
  bool open_tunnel(Stream upstream);
  void count_tunnel() noexcept;
  bool switch_protocols(const ResponseHead& head, std::string_view rest);
  void on_relayed(std::size_t from_client, std::size_t from_backend) noexcept override;
  bool on_client_bytes(std::string_view bytes) override;
  void on_relay_done(Reason reason) override;

  Stream& client() noexcept { return connection_.stream(); }
  NetContext& net() const noexcept { return connection_.thread().net(); }
  const HttpConfig& config() const noexcept {
    const ProtocolConfig& own = *connection_.config().protocol_config;
    return static_cast<const HttpConfig&>(own.handed_over ? *own.handed_over : own);
  }
  std::chrono::microseconds since_start() const noexcept;
  bool is_draining() const noexcept { return draining_ || connection_.server().is_draining(); }

  HttpHandler& handler_;
  std::unique_ptr<Exchange> exchange_;
  std::unique_ptr<Tunnel> tunnel_;
  std::unique_ptr<Pinned> pinned_;
  std::unique_ptr<Login> login_;  ///< null until credentials are shown
  Deadline deadline_{*this};
  Backlog client_in_;      ///< read, not yet understood
  std::size_t tried_ = 0;  ///< how much of a head was there when it was last parsed
  Phase phase_ = Phase::head;
  Reason refused_login_ = Reason::ok;  ///< what on_login() said of the head in client_in_
  bool client_fresh_ = false;          ///< client_in_ has not been parsed since it was kept
  bool in_head_ = false;               ///< header_timeout runs
  bool draining_ = false;
  bool running_ = false;
};

}  // namespace arcus::http
