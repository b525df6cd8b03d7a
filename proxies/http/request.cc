#include <array>
#include <string>
#include <utility>

#include "lib/http/chars.h"
#include "proxies/http/date.h"
#include "proxies/http/session.h"

namespace arcus::http {

/// Bodies up to this size are kept for a second attempt.
static constexpr std::size_t max_replay_body = 16 * 1024;

bool HttpSession::begin(const RequestHead& head, std::string_view rest) {
  if (connection_.server().config().get() != &connection_.config()) {
    connection_.renew_config();
    if (login_ && (login_->is_adopted() || !connection_.config().users))
      login_->forget();  // perhaps it is trusted no more
  }
  Exchange& exchange = *exchange_;
  exchange.has_head = true;
  exchange.method = head.method;
  exchange.client_minor = head.minor;
  exchange.client_keeps = head.keep_alive;
  exchange.bytes_in = head.size;
  exchange.request.coder().start(head.framing, head.content_length, head.framing);
  note(head);
  if (connection_.config().users && !identify(head, rest)) {
    if (phase_ == Phase::over || phase_ == Phase::login) return false;
    client_in_.keep(rest);
    return true;
  }
  if ((!exchange.queued && !admit_rate()) || !admit(head)) {
    if (phase_ == Phase::queue) {
      client_in_.keep({rest.data() - head.size, head.size + rest.size()});
      return false;
    }
    // reply() has answered and perhaps closed; what followed is the next request when the client is kept.
    if (phase_ == Phase::over) return false;
    client_in_.keep(rest);
    return true;
  }
  if (exchange.queued && exchange.backend == nullptr) exchange.choice.give_up();  // it goes elsewhere now
  return dispatch(head, rest);
}

/// The limits of how many, and from here on of how many bytes.
bool HttpSession::admit_rate() {
  static constexpr OwnField retry[] = {{"Retry-After", "1"}};
  const Reason verdict = connection_.admit_request(user());
  set_throttles();
  if (verdict == Reason::ok) return true;
  reply(status_of(verdict), verdict, retry);
  return false;
}

void HttpSession::set_throttles() {
  connection_.renew_throttles();
  ThrottlePair* both = connection_.throttles();
  if (tunnel_) return tunnel_->relay.set_throttles(both);
  exchange_->request.set_throttle(both == nullptr ? nullptr : &both->from_client);
  exchange_->response.set_throttle(both == nullptr ? nullptr : &both->to_client);
  if (both == nullptr) return;
  Deferred& waits = *this;
  both->set_waiter(waits);
}

/// Keeps for the record what will be gone by then.
void HttpSession::note(const RequestHead& head) {
  Notes& notes = exchange_->notes;
  notes.clear();  // of the same head, when it had to wait
  notes.set(NoteKind::method, head.method_name);
  if (!connection_.config().access_log) return;
  notes.set(NoteKind::target, head.target_text);
  for (const Field& field : head.fields) {
    if (field.id != FieldId::other) continue;
    if (equals_lower(field.name, "user-agent")) notes.set(NoteKind::user_agent, field.value);
    if (equals_lower(field.name, "referer")) notes.set(NoteKind::referer, field.value);
  }
}

bool HttpSession::admit(const RequestHead& head) {
  if (has_passed(head, config().via)) {
    reply(508, Reason::loop_detected);
    return false;
  }
  if (!(config().reverse ? admit_reverse(head) : admit_forward(head))) return false;
  return admit_hops(head);
}

bool HttpSession::admit_reverse(const RequestHead& head) {
  exchange_->guarded = false;  // it may have waited, and the routes may be others now
  if (head.method == Method::connect) {
    static constexpr OwnField allow[] = {{"Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"}};
    reply(405, Reason::unsupported_method, allow);
    return false;
  }
  const Authority& asked = head.target.form == TargetForm::absolute ? head.target.authority : head.host;
  if (!config().routes.empty()) return admit_route(asked);
  exchange_->asked_host = asked.host;
  if (!connection_.config().policy->empty()) {
    const auto decision = decide_early(connection_.config());
    exchange_->rule = decision.tally;
    if (decision.verdict == policy::Verdict::deny) {
      reply(403, decision.reason);
      return false;
    }
  }
  return admit_backend();
}

/// True with a backend. Else it was answered, or waits.
bool HttpSession::admit_backend() {
  static constexpr OwnField retry[] = {{"Retry-After", "1"}};
  switch (choose_backend()) {
    case BackendChoice::Step::go:
      return true;
    case BackendChoice::Step::none:
      reply(503, exchange_->choice.failure(), retry);
      return false;
    case BackendChoice::Step::wait:
      break;
  }
  phase_ = Phase::queue;
  exchange_->queued = true;
  if (!deadline_.is_armed())
    connection_.thread().deadlines().of(connection_.config().connection_timeout()).arm(deadline_);
  return false;
}

/// By the table of names. Only what is passed through was chosen by the client, and goes where it meant: to
/// the port that Host names.
bool HttpSession::admit_route(const Authority& asked) {
  Exchange& exchange = *exchange_;
  const policy::Route* route = config().routes.find(asked.host);
  const bool through = route != nullptr && route->kind == policy::RouteKind::passthrough;
  Reason denied = Reason::ok;
  if (route == nullptr || (through && asked.host.empty())) {
    denied = Reason::no_route;
  } else if (route->kind == policy::RouteKind::reject) {
    denied = Reason::acl_denied;
  } else {
    exchange.guarded = through;
    exchange.host = exchange.asked_host = asked.host;
    exchange.port = connection_.config().wire.listen_port;
    if (through) {
      exchange.port = asked.port == 0 ? std::uint16_t{80} : asked.port;
      exchange.literal = asked.literal;
      if (policy::is_bad_http_port(exchange.port)) denied = Reason::destination_denied;
    }
    const auto decision = decide_early(connection_.config());
    exchange_->rule = decision.tally;
    if (decision.verdict == policy::Verdict::deny) denied = decision.reason;
  }
  if (denied != Reason::ok) {
    reply(status_of(denied), denied);
    return false;
  }
  if (route->kind == policy::RouteKind::backends || uses_parents()) return admit_backend();
  if (route->kind == policy::RouteKind::endpoint) {
    exchange.host = route->host;
    exchange.port = route->port;
    exchange.literal = route->literal;
  }
  return true;
}

bool HttpSession::admit_forward(const RequestHead& head) {
  if (head.target.form != TargetForm::absolute && head.target.form != TargetForm::authority) {
    reject(bad_request);
    return false;
  }
  Exchange& exchange = *exchange_;
  exchange.host = head.target.authority.host;
  exchange.port = head.target.authority.port;
  exchange.guarded = true;
  exchange.literal = head.target.authority.literal;
  const Reason port = judge_port(config().connect_ports, head.method == Method::connect, exchange.port);
  if (port != Reason::ok) {
    reply(403, port);
    return false;
  }
  const auto decision = decide_early(connection_.config());
  exchange_->rule = decision.tally;
  if (decision.verdict != policy::Verdict::deny) return !uses_parents() || admit_backend();
  exchange.denied_range = decision.range;
  reply(403, decision.reason);
  return false;
}

/// The value of Max-Forwards, when there is one that can be read.
static std::optional<std::uint64_t> max_forwards_of(const RequestHead& head) {
  const Field* field = head.fields.find(FieldId::max_forwards);
  if (field == nullptr || field->value.empty() || field->value.size() > 9) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : field->value) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

static bool counts_hops(Method method) noexcept {
  return method == Method::trace || method == Method::options;
}

/// TRACE and OPTIONS end here when Max-Forwards says so (RFC 9110, 7.6.2).
bool HttpSession::admit_hops(const RequestHead& head) {
  if (!counts_hops(head.method) || max_forwards_of(head) != 0) return true;
  static constexpr OwnField allow[] = {{"Allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, CONNECT"}};
  if (head.method == Method::trace) {
    reply(405, Reason::unsupported_method, allow);
  } else {
    reply(200, Reason::ok, allow);
  }
  return false;
}

std::size_t HttpSession::write_head(const RequestHead& head, std::span<char> out) {
  Exchange& exchange = *exchange_;
  if (head.connection.upgrade && head.minor == 1)
    if (const Field* field = head.fields.find(FieldId::upgrade))
      exchange.upgrade = config().upgrade_of(field->value);
  const bool absolute = head.target.form == TargetForm::absolute;
  const ForwardedFor mode = config().forwarded_for;
  const bool tells = mode == ForwardedFor::append || mode == ForwardedFor::replace;
  const std::string client = tells ? connection_.peer().address.unmapped().to_string() : std::string{};
  const std::string_view told = absolute ? head.target.authority.text : head.host.text;
  // A backend of 1.1 wants a Host, which a client of 1.0 need not have sent.
  const std::string own = told.empty() ? HostPort{exchange.host, exchange.port}.to_string() : std::string{};
  auto hops = max_forwards_of(head);
  if (hops && counts_hops(head.method)) --*hops;
  return write_request(head,
                       {.authority = told.empty() ? std::string_view{own} : told,
                        .via = config().via,
                        .client = client,
                        .forwarded_for = mode,
                        .upgrade = exchange.upgrade,
                        .max_forwards = hops,
                        .consumes_authorization = config().reverse && connection_.config().users &&
                                                  !connection_.config().users_by_certificate},
                       out);
}

bool HttpSession::dispatch(const RequestHead& head, std::string_view rest) {
  Exchange& exchange = *exchange_;
  if (head.method == Method::connect) {
    client_in_.keep(rest);
    dial();
    return false;
  }
  const std::span<char> out{workspace().out};
  const std::size_t size = write_head(head, out);
  if (size == 0) return reject({431, Reason::header_too_large});
  const CodedBytes body = exchange.request.coder().feed(rest, out.subspan(size));
  if (body.bad) return reject(bad_request);
  exchange.bytes_in += body.consumed;
  if (ThrottlePair* both = connection_.throttles()) both->from_client.charge(head.size + body.consumed);
  exchange.reusable = is_idempotent(head.method) && exchange.request.coder().done() &&
                      body.out.size() <= max_replay_body && exchange.upgrade.empty();
  const std::string_view text{out.data(), size};
  exchange.pending.assign(text).append(body.out);
  client_in_.keep(rest.substr(body.consumed));
  exchange.pins = logs_in_connection(head, FieldId::authorization);
  if (pinned_) exchange.upstream = take_pinned();
  if (exchange.reusable && !exchange.upstream.valid()) exchange.upstream = take_kept();
  if (!exchange.upstream.valid()) {
    dial();
    return false;
  }
  exchange.reused = true;
  phase_ = Phase::exchange;
  return send_request(text, body.out);
}

bool HttpSession::reject(Fault fault) {
  exchange_->client_keeps = false;
  return reply(fault.status, fault.reason);
}

bool HttpSession::reply(std::uint16_t status, Reason reason, std::span<const OwnField> fields) {
  Exchange& exchange = *exchange_;
  if (exchange.answered) {
    abort(reason);
    return false;
  }
  const bool keeps =
      exchange.has_head && exchange.client_keeps && exchange.request.coder().done() && !is_draining();
  std::string hint = exchange.trouble;
  if (exchange.denied_range != nullptr && reason == Reason::destination_denied) {
    hint = "an operator may open it: arcusctl acl add allow --to ";
    hint.append(exchange.denied_range->cidr).append(" -t ").append(connection_.config().tenant->name);
  }
  const std::string date = http_date();
  const std::span<char> out{workspace().out};
  const std::size_t size = write_error({.status = status,
                                        .reason = reason,
                                        .proxy = connection_.config().facts->instance(),
                                        .hint = hint,
                                        .date = date,
                                        .keep_alive = keeps,
                                        .head_only = exchange.method == Method::head,
                                        .client_minor = exchange.client_minor,
                                        .fields = fields},
                                       out);
  exchange.status = status;
  exchange.reason = reason;
  exchange.dialer.reset();
  exchange.upstream.close();
  exchange.slot.give_back();
  exchange.choice.give_up();
  if (!keeps && !exchange.response.flushed()) {  // an interim answer stands half sent before it
    abort(reason);
    return false;
  }
  if (!keeps) {
    exchange.bytes_out += size;
    connection_.count_out(size);
    record();
    close_politely({out.data(), size});
    return false;
  }
  exchange.request.clear(net());
  exchange.response.coder().start(Framing::none, 0,
                                  Framing::none);  // that of an answer that was not passed on
  exchange.upload_broken = false;
  exchange.upstream_in.clear();
  exchange.upstream_keeps = false;
  exchange.answered = true;
  phase_ = Phase::exchange;
  handler_.timers().body->arm(deadline_);
  count_ahead(size);
  if (exchange.response.send(client(), {out.data(), size}, {})) return true;
  abort(Reason::client_closed);
  return false;
}

}  // namespace arcus::http
