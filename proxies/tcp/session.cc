#include "proxies/tcp/session.h"

#include <chrono>
#include <string>
#include <utility>

#include "lib/policy/policy.h"
#include "lib/runtime/thread.h"

namespace arcus {

using std::chrono::microseconds;

TcpSession::TcpSession(ClientConnection connection)
    : Session(std::move(connection)), relay_(connection_.thread().net(), *this) {}

void TcpSession::start() {
  if (connection_.config().users)
    user_ = std::make_unique<const std::string>(connection_.certified_user(connection_.config()));
  if (const Reason denied = judge(nullptr); denied != Reason::ok) return finish(denied);
  const Reason verdict = connection_.admit_request(user_ ? std::string_view{*user_} : std::string_view{});
  if (verdict != Reason::ok) return finish(verdict);
  connection_.stream().set_handler(this);
  DialHandler& hears = *this;  // a private base: make_unique could not convert
  dial_ = std::make_unique<UpstreamDial>(connection_, hears);
  dial_->start_to_backend();
}

/// Users, and rules about clients and times; one about destinations is asked again with the address.
Reason TcpSession::judge(const IpAddress* address) {
  const ServerConfig& config = *connection_.server().config();
  std::string user;
  if (config.users) {
    user = connection_.certified_user(config);
    if (const Reason denied = ClientConnection::judge_certified(config, user); denied != Reason::ok)
      return denied;
  }
  if (config.policy->empty()) return Reason::ok;
  const policy::Request request{.client = connection_.peer().address, .user = user, .host = "", .port = 0};
  const policy::Decision decision = config.policy->decide(request, address);
  rule_ = decision.tally;
  return decision.reason;
}

Reason TcpSession::on_address(const Endpoint& address) { return judge(&address.address); }

void TcpSession::on_dialed(Stream stream, const Endpoint& address, bool) {
  // Rules may have tightened while it was dialled; from now on on_config() looks.
  if (const Reason denied = judge(&address.address); denied != Reason::ok) return finish(denied);
  const auto waited = connection_.thread().now() - connection_.accepted_at();
  connect_us_ = static_cast<std::uint32_t>(std::chrono::duration_cast<microseconds>(waited).count());
  upstream_ = address;
  backend_slot_ = dial_->take_slot();
  dial_.reset();
  connection_.count_request(user_ ? std::string_view{*user_} : std::string_view{}, rule_);
  connection_.renew_throttles();
  relay_.set_throttles(connection_.throttles());
  relay_.start(connection_.stream(), std::move(stream), {}, {}, connection_.config().idle_timeout());
}

void TcpSession::on_dial_failed(Reason reason) { finish(reason); }

/// What the client sends waits in its socket for the relay.
void TcpSession::on_ready(Stream& stream) {
  if (dial_ && stream.broken()) finish(Reason::client_closed);
}

void TcpSession::on_relayed(std::size_t from_client, std::size_t from_backend) noexcept {
  bytes_in_ += from_client;
  bytes_out_ += from_backend;
  connection_.count_in(from_client);
  connection_.count_out(from_backend);
}

void TcpSession::on_relay_done(Reason reason) { finish(reason); }

/// Rules that tightened end what they would not have let begin.
void TcpSession::on_config() {
  Reason denied = judge(nullptr);
  if (denied == Reason::ok && upstream_) denied = judge(&upstream_->address);
  if (denied != Reason::ok) return on_kill(denied);
  if (!relay_.is_active()) return;
  connection_.renew_throttles();
  relay_.set_throttles(connection_.throttles());
}

void TcpSession::on_kill(Reason reason) {
  relay_.stop();
  finish(reason);
}

void TcpSession::finish(Reason reason) {
  const std::string target = upstream_ ? upstream_->to_string() : std::string();
  AccessRecord record{.kind = upstream_ ? RecordKind::connection : RecordKind::refusal,
                      .reason = reason,
                      .started = connection_.accepted_at(),
                      .status = upstream_ ? 200 : 503,
                      .tag = upstream_ ? "TCP_TUNNEL" : "TCP_DENIED",
                      .method = "CONNECT",
                      .target = target,
                      .user = user_ ? std::string_view{*user_} : std::string_view{},
                      .rule = rule_,
                      .upstream = upstream_,
                      .counted = upstream_.has_value(),
                      .bytes_in = bytes_in_,
                      .bytes_out = bytes_out_};
  if (upstream_) {
    record.response_time = microseconds(connect_us_);
    record.connect_time = microseconds(connect_us_);
  }
  connection_.record(record);
  dial_.reset();
  backend_slot_.give_back();
  connection_.reset();
  end();
}

}  // namespace arcus
