#include "proxies/socks/session.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lib/runtime/thread.h"

namespace arcus::socks {

SocksSession::SocksSession(ClientConnection connection)
    : Session(std::move(connection)), relay_(connection_.thread().net(), *this) {}

NetContext& SocksSession::net() const noexcept { return connection_.thread().net(); }

const ServerConfig& SocksSession::newest() const noexcept { return *connection_.server().config(); }

void SocksSession::start() {
  client().set_handler(this);
  net().deadlines.of(connection_.config().handshake_timeout()).arm(deadline_);
  if (client().readable()) on_ready(client());
}

void SocksSession::on_ready(Stream&) {
  while (is_negotiating() && client().readable()) read();
  if ((phase_ == Phase::dialing || phase_ == Phase::checking) && client().broken())
    finish(Reason::client_closed);
  // Here the client's end is the end; a half-close means no more than that before a tunnel.
  if (phase_ == Phase::binding && (client().hung_up() || client().broken())) finish(Reason::client_closed);
  if (phase_ == Phase::associated && (client().hung_up() || client().broken()))
    finish(client().broken() ? Reason::client_closed : Reason::ok);
}

void SocksSession::read() {
  std::array<char, max_message> buffer;
  const std::string_view kept = in_.view();
  std::ranges::copy(kept, buffer.begin());
  const std::size_t before = kept.size();
  const IoResult got = client().read(std::span{buffer}.subspan(before));
  if (got.status == IoStatus::blocked) return;
  if (got.status != IoStatus::ok) return finish(Reason::client_closed);
  in_.clear();
  std::string_view bytes{buffer.data(), before + got.bytes};
  while (is_negotiating() && !bytes.empty() && take_message(bytes)) {
  }
  if (is_negotiating()) in_.keep(bytes);
}

/// Takes one message from the front of `bytes`; false when more has to come first.
bool SocksSession::take_message(std::string_view& bytes) {
  const char first = bytes.front();
  if (phase_ == Phase::greeting && first == 5) {
    Greeting greeting;
    if (parse_greeting(bytes, greeting) != Parse::done) return false;
    bytes.remove_prefix(greeting.size);
    count_in(greeting.size);
    in_.keep(bytes);  // for the count, should this be the end
    if (choose_method(greeting)) in_.clear();
    return true;
  }
  if (phase_ == Phase::login) {
    UserPassword shown;
    const Parse result = parse_user_password(bytes, shown);
    if (result == Parse::need_more) return false;
    if (result == Parse::bad) {
      in_.keep(bytes);
      return finish(Reason::protocol_error), true;
    }
    count_in(shown.size);
    in_.keep(bytes.substr(shown.size));
    log_in(shown);
    if (is_negotiating()) in_.clear();
    bytes.remove_prefix(shown.size);
    return true;
  }
  Request request;
  const bool fits = phase_ == Phase::greeting ? first == 4 : first == 5;
  const Parse result = fits ? parse_request(bytes, request) : Parse::bad;
  if (result == Parse::need_more) return false;
  has_asked_ = fits;
  version_ = request.version;
  command_ = request.command;
  if (result == Parse::bad) {
    in_.keep(bytes);
    if (!fits || request.fault == Code::granted) return finish(Reason::protocol_error), true;
    refuse(request.fault == Code::command_not_supported ? Reason::unsupported_method : Reason::bad_request,
           request.fault);
    return true;
  }
  count_in(request.size);
  in_.keep(bytes.substr(request.size));
  begin(request);
  return true;
}

void SocksSession::count_in(std::size_t bytes) noexcept {
  bytes_in_ += bytes;
  connection_.count_in(bytes);
}

bool SocksSession::send(std::string_view bytes) {
  const IoResult sent = client().write(bytes);
  bytes_out_ += sent.bytes;
  connection_.count_out(sent.bytes);
  if (sent.bytes == bytes.size()) return true;
  // So little always fits into the socket of a client that is there.
  finish(Reason::client_closed);
  return false;
}

bool SocksSession::send_reply(const Endpoint& bound) {
  std::array<char, max_reply> reply;
  return send({reply.data(), write_reply(version_, Code::granted, bound, reply)});
}

/// What a SOCKS5 reply says of a failure.
static Code code_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::acl_denied:
    case Reason::destination_denied:
    case Reason::user_disabled:
      return Code::not_allowed;
    case Reason::unreachable:
      return Code::network_unreachable;
    case Reason::dns_failed:
    case Reason::connect_timeout:
      return Code::host_unreachable;
    case Reason::connect_refused:
      return Code::connection_refused;
    default:
      return Code::failure;
  }
}

void SocksSession::refuse(Reason reason) { refuse(reason, code_of(reason)); }

void SocksSession::refuse(Reason reason, Code code) {
  std::array<char, max_reply> reply;
  close_politely(reason, {reply.data(), write_reply(version_, code, {}, reply)});
}

void SocksSession::close_politely(Reason reason, std::string_view last) {
  bytes_out_ += last.size();
  connection_.count_out(last.size());
  record(reason);
  release();
  std::string rest{last};
  end();  // the object lives on until the batch is over
  std::move(connection_).close_politely(std::move(rest));
}

void SocksSession::finish(Reason reason) {
  record(reason);
  release();
  client().close();
  end();
}

void SocksSession::release() noexcept {
  phase_ = Phase::over;
  deadline_.disarm();
  if (login_) login_->drop();
  dialer_.reset();
  // Closed, not freed: one of them may be what called us.
  if (binding_) binding_->close();
  if (association_) association_->close();
  in_.clear();
}

static int status_of(Reason reason, bool served) noexcept {
  if (served) return 200;
  if (info(reason).is_refusal) return 403;
  if (reason == Reason::connect_timeout) return 504;
  if (reason == Reason::handshake_timeout) return 408;
  if (reason == Reason::unsupported_method || reason == Reason::unsupported_version) return 501;
  return reason == Reason::protocol_error || reason == Reason::bad_request ? 400 : 502;
}

static std::string_view name_of(Version version) noexcept {
  return version == Version::v5 ? "SOCKS5" : version == Version::v4 ? "SOCKS4" : "SOCKS4a";
}

static std::string_view name_of(Command command) noexcept {
  return command == Command::connect ? "CONNECT" : command == Command::bind ? "BIND" : "UDP";
}

void SocksSession::record(Reason reason) {
  count_in(in_.size());  // came, and went nowhere
  in_.clear();
  const std::string target = has_asked_ && !host_.empty() ? HostPort{host_, port_}.to_string() : "";
  AccessRecord record{.kind = served_ ? RecordKind::connection : RecordKind::refusal,
                      .reason = reason,
                      .started = connection_.accepted_at(),
                      .status = status_of(reason, served_),
                      .tag = served_                   ? "TCP_TUNNEL"
                             : info(reason).is_refusal ? "TCP_DENIED"
                                                       : "NONE",
                      .method = has_asked_ ? name_of(command_) : "",
                      .target = target,
                      .version = has_asked_ ? name_of(version_) : "",
                      .user = user(),
                      .rule = rule_,
                      .server_name = witness_ ? witness_->name() : std::string_view{},
                      .hierarchy = via_parent_ ? "FIRSTUP_PARENT" : "",
                      .upstream = upstream_,
                      .counted = served_,
                      .bytes_in = bytes_in_,
                      .bytes_out = bytes_out_,
                      .dns_time = times_.dns,
                      .connect_time = times_.connect};
  if (served_) record.response_time = response_time_;
  connection_.record(record);
}

void SocksSession::on_deadline(Deadline&) { finish(Reason::handshake_timeout); }

void SocksSession::on_drain() {
  if (phase_ == Phase::greeting && bytes_in_ == 0 && in_.empty()) finish(Reason::draining);
}

/// Rules that tightened end what they would not have let begin; datagrams are judged one by one anyway.
void SocksSession::on_config() {
  if (phase_ == Phase::over || phase_ == Phase::checking || is_negotiating()) return;
  if (const Reason denied = judge_user(); denied != Reason::ok) return on_kill(denied);
  if (association_) {
    association_->forget_contacts();
    if (const Reason denied = judge_client(newest(), asked()).reason; denied != Reason::ok) on_kill(denied);
    return;
  }
  Reason denied = has_parents(connection_.config()) ? judge_for_parent(newest(), asked()).reason
                                                    : judge(newest(), asked()).reason;
  if (denied == Reason::ok && upstream_ && !via_parent_)
    denied = judge(newest(), asked(), upstream_->address).reason;
  if (denied != Reason::ok) return on_kill(denied);
  if (!relay_.is_active()) return;
  connection_.renew_throttles();
  relay_.set_throttles(connection_.throttles());
}

void SocksSession::on_kill(Reason reason) {
  if (phase_ == Phase::over) return;
  if (phase_ == Phase::tunnel)
    relay_.stop();
  else
    client().reset();
  finish(reason);
}

}  // namespace arcus::socks
