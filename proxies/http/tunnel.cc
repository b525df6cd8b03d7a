#include <algorithm>
#include <string>
#include <utility>

#include "proxies/http/session.h"

namespace arcus::http {

/// The answer to CONNECT: neither Content-Length nor Transfer-Encoding (RFC 9110, 9.3.6).
static constexpr std::string_view established = "HTTP/1.1 200 Connection established\r\n\r\n";

void HttpSession::make_relay() {
  RelayHandler& hears = *this;  // a private base: make_unique could not convert
  relay_ = std::make_unique<Relay>(net(), hears);
}

bool HttpSession::open_tunnel(Stream upstream) {
  Exchange& exchange = *exchange_;
  exchange.status = 200;
  exchange.response_time = since_start();
  phase_ = Phase::tunnel;
  make_relay();
  if (connection_.wants_details()) {
    witness_ = std::make_unique<tls::NameWitness>();
    relay_->listen();
  }
  exchange.ahead = client_in_.size();
  const IoResult sent = client().write(established);
  connection_.count_out(sent.bytes);
  exchange.bytes_out += sent.bytes;
  relay_->start(std::move(client()), std::move(upstream), client_in_.view(), established.substr(sent.bytes),
                connection_.config().idle_timeout());
  client_in_.clear();
  return false;
}

bool HttpSession::switch_protocols(const ResponseHead& head, std::string_view rest) {
  Exchange& exchange = *exchange_;
  const Field* field = head.fields.find(FieldId::upgrade);
  const bool asked =
      !exchange.upgrade.empty() && field != nullptr && has_word(field->value, exchange.upgrade);
  if (!asked || !exchange.request.finished()) return bad_answer();
  const std::size_t size =
      write_response(head, {.via = config().via, .upgrade = exchange.upgrade}, workspace().out);
  if (size == 0) return bad_answer();
  exchange.status = 101;
  exchange.response_time = since_start();
  deadline_.disarm();
  phase_ = Phase::tunnel;
  make_relay();
  exchange.ahead = client_in_.size();
  std::string first{workspace().out.data(), size};
  first += rest;
  relay_->start(std::move(client()), std::move(exchange.upstream), client_in_.view(), first,
                connection_.config().idle_timeout());
  client_in_.clear();
  return false;
}

void HttpSession::on_relayed(std::size_t from_client, std::size_t from_backend) noexcept {
  // What came with the request's head was counted when it was read.
  const std::size_t counted = std::min(from_client, exchange_->ahead);
  exchange_->ahead -= counted;
  connection_.count_in(from_client - counted);
  connection_.count_out(from_backend);
  exchange_->bytes_in += from_client;
  exchange_->bytes_out += from_backend;
}

bool HttpSession::on_client_bytes(std::string_view bytes) { return witness_->take(bytes); }

void HttpSession::on_relay_done(Reason reason) {
  exchange_->reason = reason;
  record();
  phase_ = Phase::over;
  deadline_.disarm();
  release_exchange();
  end();
}

}  // namespace arcus::http
