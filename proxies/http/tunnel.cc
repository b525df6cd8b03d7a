#include <algorithm>
#include <string>
#include <utility>

#include "proxies/http/session.h"

namespace arcus::http {

/// The answer to CONNECT: neither Content-Length nor Transfer-Encoding (RFC 9110, 9.3.6).
static constexpr std::string_view established = "HTTP/1.1 200 Connection established\r\n\r\n";

Tunnel& HttpSession::become_tunnel() {
  phase_ = Phase::tunnel;
  deadline_.disarm();
  RelayHandler& hears = *this;  // a private base: make_unique could not convert
  tunnel_ = std::make_unique<Tunnel>(net(), hears, exchange_->take_facts());
  tunnel_->ahead = client_in_.size();
  tunnel_->relay.set_throttles(connection_.throttles());
  release_exchange();
  return *tunnel_;
}

bool HttpSession::open_tunnel(Stream upstream) {
  exchange_->status = 200;
  exchange_->response_time = since_start();
  Tunnel& tunnel = become_tunnel();
  count_tunnel();
  if (connection_.wants_details()) {
    tunnel.witness = std::make_unique<tls::NameWitness>();
    tunnel.relay.listen();
  }
  const IoResult sent = client().write(established);
  connection_.count_out(sent.bytes);
  tunnel.facts.bytes_out += sent.bytes;
  tunnel.relay.start(client(), std::move(upstream), client_in_.view(), established.substr(sent.bytes),
                     connection_.config().idle_timeout());
  client_in_.clear();
  return false;
}

void HttpSession::count_tunnel() noexcept {
  connection_.count_request(user(), tunnel_->facts.rule);
  tunnel_->facts.counted = true;
}

bool HttpSession::switch_protocols(const ResponseHead& head, std::string_view rest) {
  Exchange& exchange = *exchange_;
  const Field* field = head.fields.find(FieldId::upgrade);
  const bool asked =
      !exchange.upgrade.empty() && field != nullptr && has_word(field->value, exchange.upgrade);
  if (!asked || !exchange.request.finished()) return bad_answer();
  // As for CONNECT: from now on on_config() looks.
  if (const Reason denied = judge_anew(); denied != Reason::ok) return reply(status_of(denied), denied);
  const std::size_t size =
      write_response(head, {.via = config().via, .upgrade = exchange.upgrade}, workspace().out);
  if (size == 0) return bad_answer();
  exchange.status = 101;
  exchange.response_time = since_start();
  std::string first{workspace().out.data(), size};
  first += rest;
  Stream upstream = std::move(exchange.upstream);
  Tunnel& tunnel = become_tunnel();
  count_tunnel();
  tunnel.relay.start(client(), std::move(upstream), client_in_.view(), first,
                     connection_.config().idle_timeout());
  client_in_.clear();
  return false;
}

void HttpSession::on_relayed(std::size_t from_client, std::size_t from_backend) noexcept {
  // What came with the request's head was counted when it was read.
  const std::size_t counted = std::min(from_client, tunnel_->ahead);
  tunnel_->ahead -= counted;
  connection_.count_in(from_client - counted);
  connection_.count_out(from_backend);
  tunnel_->facts.bytes_in += from_client;
  tunnel_->facts.bytes_out += from_backend;
}

bool HttpSession::on_client_bytes(std::string_view bytes) { return tunnel_->witness->take(bytes); }

void HttpSession::on_relay_done(Reason reason) {
  tunnel_->facts.reason = reason;
  record();
  phase_ = Phase::over;
  end();
}

}  // namespace arcus::http
