#include "lib/runtime/preamble.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/net/proxy_header.h"
#include "lib/net/socket.h"
#include "lib/runtime/protocol.h"
#include "lib/runtime/server_on_thread.h"
#include "lib/runtime/thread.h"

namespace arcus {

static std::vector<Cidr> senders_of(std::string_view list) {
  std::vector<Cidr> senders;
  for (const std::string& word : split(list, ',')) {
    const std::string_view text = trim(word);
    if (text.empty()) continue;
    const auto network = Cidr::parse(text);
    if (!network)
      throw Error{ErrorKind::failed, "proxy_protocol_from: \"" + std::string{text} + "\" is not a network"};
    senders.push_back(*network);
  }
  if (senders.empty()) throw Error{ErrorKind::failed, "proxy_protocol_from names nobody who may send it"};
  return senders;
}

static std::shared_ptr<const ServerTls> tls_of(const wire::ServerConfig& server, const Protocol& protocol) {
  ServerTlsSettings settings{.min_version = server.tls.min_version,
                             .max_version = server.tls.max_version,
                             .ciphers = server.tls.ciphers,
                             .alpn = server.tls.alpn.empty() ? std::string{protocol.alpn} : server.tls.alpn,
                             .client_auth = server.tls.client_auth,
                             .client_ca_pem = server.tls.client_ca_pem,
                             .ticket_keys = server.tls.ticket_keys,
                             .scope = server.id};
  for (const wire::CertificateConfig& one : server.tls.certificates)
    settings.certificates.push_back({.name = one.name, .cert_pem = one.cert_pem, .key_pem = one.key_pem});
  return std::make_shared<const ServerTls>(settings);
}

std::shared_ptr<const PreambleConfig> PreambleConfig::make(const wire::ServerConfig& server,
                                                           const Protocol& protocol,
                                                           const ServerConfig* previous) {
  const std::string& in = server.proxy_protocol_in;
  if (in == "off" && !server.tls.enabled) return nullptr;
  auto wanted = std::make_shared<PreambleConfig>();
  wanted->takes_v1 = in == "v1" || in == "any";
  wanted->takes_v2 = in == "v2" || in == "any";
  if (in != "off" && !wanted->wants_header())
    throw Error{ErrorKind::failed, "proxy_protocol_in: \"" + in + "\" is none of off, v1, v2, any"};
  if (wanted->wants_header()) wanted->senders = senders_of(server.proxy_protocol_from);
  if (!server.tls.enabled) return wanted;
  const bool stays = previous && previous->preamble && previous->preamble->tls &&
                     previous->protocol == &protocol && previous->wire.tls == server.tls;
  wanted->tls = stays ? previous->preamble->tls : tls_of(server, protocol);
  return wanted;
}

bool PreambleConfig::may_send(const IpAddress& peer) const noexcept {
  return std::ranges::any_of(senders, [&](const Cidr& network) { return network.contains(peer); });
}

Preamble::Preamble(ClientConnection connection)
    : Session(std::move(connection)),
      wanted_(connection_.config().preamble),
      has_client_(!wanted_->wants_header()) {}

void Preamble::start() {
  if (!has_client_ && !wanted_->may_send(connection_.peer().address)) return refuse(Reason::acl_denied);
  connection_.stream().set_handler(this);
  connection_.thread().deadlines().of(connection_.config().handshake_timeout()).arm(deadline_);
  on_ready(connection_.stream());
}

void Preamble::on_ready(Stream& stream) {
  if (!has_client_ && !read_header()) return;
  if (wanted_->tls && !shake_hands()) return;
  deadline_.disarm();
  stream.set_handler(nullptr);
  connection_.renew_config();
  connection_.server().hand_on(*this);
}

/// Looks, then takes just the header: what follows belongs to the client.
bool Preamble::read_header() {
  Stream& stream = connection_.stream();
  if (!stream.readable()) return false;
  const std::span<char> room = connection_.thread().scratch().first(max_proxy_header);
  const ssize_t n = socket::peek(stream.fd(), room);
  if (n < 0 && errno == EAGAIN) {
    stream.note_read_blocked();
    return false;
  }
  if (n <= 0) return refuse(Reason::client_closed), false;
  ProxyHeader header;
  switch (parse_proxy_header({room.data(), static_cast<std::size_t>(n)}, header)) {
    case ProxyParse::need_more:
      // Not read, so the flag stays; the next event comes with the next bytes.
      if (stream.hung_up()) refuse(Reason::client_closed);
      return false;
    case ProxyParse::bad:
      return refuse(Reason::protocol_error, true), false;
    case ProxyParse::done:
      break;
  }
  static_cast<void>(stream.read_raw(room.first(header.size)));
  if (!(header.version == 1 ? wanted_->takes_v1 : wanted_->takes_v2))
    return refuse(Reason::protocol_error, true), false;
  if (header.has_addresses) {
    connection_.set_peer(header.source);
    connection_.set_local(header.destination);
  }
  return take_client();
}

/// The limit by client counts whom the header names.
bool Preamble::take_client() {
  has_client_ = true;
  const bool may_enter = connection_.config().policy->admits(connection_.peer().address);
  const Reason reason = may_enter ? connection_.take_client_slot() : Reason::acl_denied;
  if (reason == Reason::ok) return true;
  deadline_.disarm();
  connection_.stream().set_handler(nullptr);
  connection_.server().hand_on(*this, reason);
  return false;
}

bool Preamble::shake_hands() {
  Stream& stream = connection_.stream();
  if (!tls_) {
    auto layer = wanted_->tls->accept();
    if (!layer) return refuse(Reason::local_resource), false;
    tls_ = layer.get();
    stream.set_layer(std::move(layer));
  }
  switch (tls_->handshake(stream)) {
    case Handshake::done:
      return true;
    case Handshake::wants_more:
      return false;
    case Handshake::failed:
      break;
  }
  static const Logger log("tls");
  if (log.enabled(LogLevel::debug))
    log.debug("handshake_failed", field("server", connection_.config().wire.name) +
                                      field("client", connection_.peer().to_string()) +
                                      field("why", tls_->failure()));
  refuse(Reason::tls_failed, true);
  return false;
}

void Preamble::on_deadline(Deadline&) { refuse(Reason::handshake_timeout); }

void Preamble::on_kill(Reason reason) { refuse(reason); }

void Preamble::refuse(Reason reason, bool politely) {
  deadline_.disarm();
  connection_.record({.kind = RecordKind::refusal, .reason = reason, .started = connection_.accepted_at()});
  end();  // the object lives on until the batch is over
  if (politely)
    std::move(connection_).close_politely();
  else
    connection_.reset();
}

ProbePreamble::ProbePreamble(std::shared_ptr<const PreambleConfig> wanted, Stream stream,
                             DeadlineList& timeout, Done done)
    : wanted_(std::move(wanted)), stream_(std::move(stream)), done_(std::move(done)) {
  stream_.set_handler(this);
  timeout.arm(deadline_);
  auto layer = wanted_->tls->accept_probe();
  tls_ = layer.get();
  if (layer) stream_.set_layer(std::move(layer));
}

void ProbePreamble::on_ready(Stream&) {
  const Handshake how = tls_ ? tls_->handshake(stream_) : Handshake::failed;
  if (how == Handshake::wants_more) return;
  deadline_.disarm();
  stream_.set_handler(nullptr);
  if (how == Handshake::failed) stream_.close();
  done_(*this, std::move(stream_));
}

void ProbePreamble::on_deadline(Deadline&) {
  stream_.close();
  done_(*this, Stream());
}

}  // namespace arcus
