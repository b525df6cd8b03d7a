#include "proxies/sni/session.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "lib/runtime/thread.h"

namespace arcus {

using std::chrono::microseconds;
using tls::Alert;

SniSession::SniSession(SniHandler& handler, ClientConnection connection)
    : Session(std::move(connection)), handler_(handler), relay_(connection_.thread().net(), *this) {}

void SniSession::start() {
  DataThread& thread = connection_.thread();
  opening_ = std::make_unique<Opening>(*this, config().max_client_hello);
  thread.deadlines().of(connection_.config().handshake_timeout()).arm(opening_->deadline);
  connection_.stream().set_handler(this);
  read_hello();
}

void SniSession::on_ready(Stream& stream) {
  if (phase_ == Phase::hello) return read_hello();
  // What else the client sends waits in its socket for the relay.
  if (phase_ == Phase::dialing && stream.broken()) finish(Reason::client_closed);
}

void SniSession::read_hello() {
  using Status = tls::ClientHelloReader::Status;
  const std::span<char> scratch = connection_.thread().scratch();
  while (phase_ == Phase::hello) {
    Opening& opening = *opening_;
    const std::size_t room = opening.reader.max_received() - opening.received.size();
    const IoResult got = connection_.stream().read(scratch.first(std::min(room, scratch.size())));
    if (got.status == IoStatus::blocked) return;
    if (got.status != IoStatus::ok) return finish(Reason::client_closed);
    opening.received.append(scratch.data(), got.bytes);
    switch (opening.reader.read(opening.received)) {
      case Status::need_more:
        break;
      case Status::done:
        return route(opening.reader.hello());
      case Status::not_tls:
        return not_tls();
      case Status::bad:
        version_ = opening.reader.hello().version;
        return refuse(Reason::protocol_error, opening.reader.alert());
    }
  }
}

/// Methods of HTTP begin with a capital letter; the http protocol judges the rest.
void SniSession::not_tls() {
  const char first = opening_->received[0];
  if (!config().plain_http || first < 'A' || first > 'Z') return refuse(Reason::protocol_error, Alert::none);
  const std::string already_read = std::move(opening_->received);
  phase_ = Phase::over;
  opening_.reset();
  connection_.stream().set_handler(nullptr);
  end();  // the object lives on until the batch is over
  handler_.hand_over(std::move(connection_), already_read);
}

void SniSession::route(const tls::ClientHello& hello) {
  version_ = hello.version;
  name_ = hello.server_name;
  const policy::Route* found = config().routes.find(name_);
  const bool through = found != nullptr && found->kind == policy::RouteKind::passthrough;
  if (found == nullptr || (through && name_.empty()))
    return refuse(name_.empty() ? Reason::no_sni : Reason::no_route, Alert::unrecognized_name);
  if (found->kind == policy::RouteKind::reject) return refuse(Reason::acl_denied, Alert::unrecognized_name);
  guarded_ = through;
  port_ = through ? config().passthrough_port : connection_.config().wire.listen_port;
  if (const Reason denied = judge(nullptr); denied != Reason::ok) return refuse(denied, Alert::access_denied);
  if (const Reason verdict = connection_.admit_request({}); verdict != Reason::ok)
    return refuse(verdict, Alert::none);
  dial(*found);
}

void SniSession::on_deadline(Deadline&) { refuse(Reason::handshake_timeout, Alert::none); }

void SniSession::on_relayed(std::size_t from_client, std::size_t from_backend) noexcept {
  bytes_in_ += from_client;
  bytes_out_ += from_backend;
  connection_.count_in(from_client);
  connection_.count_out(from_backend);
}

void SniSession::on_relay_done(Reason reason) { finish(reason); }

void SniSession::on_drain() {
  if (phase_ == Phase::hello && opening_->received.empty()) refuse(Reason::draining, Alert::none);
}

/// Rules that tightened end what they would not have let begin.
void SniSession::on_config() {
  if (phase_ != Phase::dialing && phase_ != Phase::relay) return;
  Reason denied = judge(nullptr);
  if (denied == Reason::ok && upstream_) denied = judge(&*upstream_);
  if (denied != Reason::ok) return on_kill(denied);
  if (!relay_.is_active()) return;
  connection_.renew_throttles();
  relay_.set_throttles(connection_.throttles());
}

void SniSession::on_kill(Reason reason) {
  if (phase_ == Phase::over) return;
  relay_.stop();
  finish(reason);
}

void SniSession::refuse(Reason reason, Alert alert) {
  std::string last;
  if (alert != Alert::none) {
    const auto bytes = tls::fatal_alert(alert, version_);
    last.assign(bytes.begin(), bytes.end());
  }
  bytes_in_ = opening_->received.size();
  bytes_out_ = last.size();
  connection_.count_in(bytes_in_);
  connection_.count_out(bytes_out_);
  record(reason);
  phase_ = Phase::over;
  opening_.reset();
  end();  // the object lives on until the batch is over
  std::move(connection_).close_politely(std::move(last));
}

void SniSession::finish(Reason reason) {
  if (opening_ != nullptr) {
    bytes_in_ = opening_->received.size();
    connection_.count_in(bytes_in_);
  }
  record(reason);
  phase_ = Phase::over;
  opening_.reset();
  backend_slot_.give_back();
  connection_.reset();
  end();
}

/// As http would have answered.
static int status_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::protocol_error:
      return 400;
    case Reason::acl_denied:
    case Reason::destination_denied:
    case Reason::no_route:
    case Reason::no_sni:
      return 403;
    case Reason::client_closed:
    case Reason::handshake_timeout:
      return 408;
    case Reason::rate_limited:
      return 429;
    default:
      return 503;
  }
}

void SniSession::record(Reason reason) {
  const bool served = upstream_.has_value();
  const std::uint16_t port = served ? upstream_->port : port_;
  std::string target = name_;
  if (!target.empty() && port != 0) target += ":" + std::to_string(port);
  if (target.empty() && served) target = upstream_->to_string();
  AccessRecord record{.kind = served ? RecordKind::connection : RecordKind::refusal,
                      .reason = reason,
                      .started = connection_.accepted_at(),
                      .status = served ? 200 : status_of(reason),
                      .tag = served ? "TCP_TUNNEL" : "TCP_DENIED",
                      .method = "CONNECT",
                      .target = target,
                      .rule = rule_,
                      .server_name = name_,
                      .upstream = upstream_,
                      .counted = served,
                      .bytes_in = bytes_in_,
                      .bytes_out = bytes_out_,
                      .dns_time = microseconds(dns_us_)};
  if (served) {
    record.response_time = microseconds(connect_us_);
    record.connect_time = microseconds(connect_us_);
  }
  connection_.record(record);
}

}  // namespace arcus
