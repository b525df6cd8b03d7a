#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "lib/net/resolver.h"
#include "proxies/http/session.h"

namespace arcus::http {

policy::Request HttpSession::question() const {
  const RequestFacts& known = facts();
  return {.client = connection_.peer().address,
          .user = user(),
          .host = known.guarded || tunnel_ ? known.host : exchange_->asked_host,
          .port = known.guarded ? known.port : connection_.config().wire.listen_port,
          .method = known.notes.get(NoteKind::method)};
}

/// By the rules and the destination guard. Backends an operator configured are exempt.
Reason HttpSession::judge(const Endpoint& address) {
  if (!exchange_->guarded || exchange_->has_parent()) return Reason::ok;
  const policy::Policy& policy = *connection_.config().policy;
  if (policy.empty()) {
    const policy::SpecialRange* range = policy::find_special(address.address);
    if (range == nullptr) return Reason::ok;
    exchange_->denied_range = range;
    return Reason::destination_denied;
  }
  const policy::Decision decision = policy.decide_address(question(), address, {});
  exchange_->rule = decision.tally;
  if (decision.verdict != policy::Verdict::deny) return Reason::ok;
  exchange_->denied_range = decision.range;
  return decision.reason;
}

Reason HttpSession::judge_anew() const {
  if (const Reason denied = judge_user(true); denied != Reason::ok) return denied;
  const ServerConfig& newest = *connection_.server().config();
  if (newest.policy->empty() && connection_.config().policy->empty()) return Reason::ok;
  policy::Decision decision = decide_early(newest);
  const bool by_address = facts().guarded && facts().address && !facts().has_parent();
  if (decision.verdict != policy::Verdict::deny && by_address)
    decision = newest.policy->decide_address(question(), *facts().address, {});
  return decision.verdict == policy::Verdict::deny ? decision.reason : Reason::ok;
}

policy::Decision HttpSession::decide_early(const ServerConfig& snapshot) const {
  if (uses_parents()) return decide_for_parent(snapshot, question());
  const policy::Policy& policy = *snapshot.policy;
  return policy.empty() ? policy::Decision{} : policy.decide(question(), nullptr);
}

/// A backend, or a parent proxy for what the client chose itself.
BackendChoice::Step HttpSession::choose_backend() {
  Exchange& exchange = *exchange_;
  const bool parents = uses_parents();
  TurnHandler& hears = *this;
  const BackendChoice::Step step = exchange.choice.next(connection_, parents, hears);
  if (step != BackendChoice::Step::go) return step;
  exchange.backend = exchange.choice.backend();
  exchange.slot = exchange.choice.take_slot();
  exchange.link = exchange.backend->link;
  if (parents) return step;
  exchange.host = exchange.backend->spec.host;
  exchange.port = exchange.backend->spec.port;
  exchange.literal = config().backend_literals[exchange.choice.index()];
  return step;
}

/// Room at a backend, perhaps.
void HttpSession::on_turn() {
  if (phase_ == Phase::queue) return resume_head();
  try_another();
}

/// One has failed: goes to the next one, waits for it, or says what happened.
void HttpSession::try_another() {
  Exchange& exchange = *exchange_;
  DataThread& thread = connection_.thread();
  if (exchange.dial_until && thread.now() >= *exchange.dial_until) exchange.choice.give_up();
  switch (choose_backend()) {
    case BackendChoice::Step::go:
      return dial();
    case BackendChoice::Step::wait:
      if (!deadline_.is_armed())
        thread.deadlines().of(attempt_timeout(connection_.config(), true)).arm(deadline_);
      return;
    case BackendChoice::Step::none:
      break;
  }
  reply(status_of(exchange.dial_failure), exchange.dial_failure);
  run();
}

/// Connections to a parent that takes requests serve any target; those through others only their own.
KeepAliveKey HttpSession::key_for(const Endpoint& address) const {
  const Exchange& exchange = *exchange_;
  KeepAliveKey key{.server = connection_.config().number, .address = address};
  if (!exchange.link) return key;
  key.identity = exchange.link->identity;
  if (exchange.has_parent() && !exchange.asks_parent())
    key.identity += " " + HostPort{exchange.host, exchange.port}.to_string();
  return key;
}

Stream HttpSession::take_kept(const Endpoint& address) {
  if (!may_pool()) return {};
  Stream kept = connection_.thread().keep_alive().take(key_for(address));
  if (kept.valid()) exchange_->address = address;
  return kept;
}

/// A kept connection to where the request goes, if it is known without a look-up.
Stream HttpSession::take_kept() {
  const Exchange& exchange = *exchange_;
  const bool parent = exchange.has_parent();
  const std::string& host = parent ? exchange.backend->spec.host : exchange.host;
  const std::uint16_t port = parent ? exchange.backend->spec.port : exchange.port;
  if (const auto literal = parent ? IpAddress::parse(host) : exchange.literal) {
    const Endpoint address{literal->unmapped(), port};
    return judge(address) == Reason::ok ? take_kept(address) : Stream();
  }
  for (const IpAddress& known : net().resolver.known(host)) {
    const Endpoint address{known, port};
    if (judge(address) != Reason::ok) continue;
    if (Stream kept = take_kept(address); kept.valid()) return kept;
  }
  return {};
}

/// The connection this client has logged in, when the request goes there again.
Stream HttpSession::take_pinned() {
  Exchange& exchange = *exchange_;
  const std::unique_ptr<Pinned> pinned = std::move(pinned_);
  const bool balanced = config().reverse && config().routes.empty();
  const bool fits = balanced || (pinned->host == exchange.host && pinned->port == exchange.port);
  if (!fits || (pinned->link == nullptr) != (exchange.link == nullptr)) return {};
  if (!pinned->stream.is_quiet() || judge(pinned->address) != Reason::ok) return {};
  exchange.link = pinned->link;
  exchange.address = pinned->address;
  exchange.pins = true;
  return std::move(pinned->stream);
}

void HttpSession::dial() {
  Exchange& exchange = *exchange_;
  phase_ = Phase::dialing;
  deadline_.disarm();
  DialHandler& hears = *this;  // a private base: make_unique could not convert
  exchange.dialer.emplace(net(), hears);
  const ServerConfig& server = connection_.config();
  const bool more = exchange.backend != nullptr &&
                    exchange.choice.may_go_on(uses_parents() ? *server.parents : *server.backends);
  const SteadyTime now = connection_.thread().now();
  if (!exchange.dial_until) exchange.dial_until = now + server.connection_timeout();
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*exchange.dial_until - now);
  const auto timeout = std::max(std::chrono::milliseconds{1}, std::min(left, attempt_timeout(server, more)));
  exchange.brief_dial = timeout < attempt_timeout(server, true) / 2;
  if (exchange.backend != nullptr && !exchange.has_parent())
    return exchange.dialer->start(to_backend(connection_, *exchange.backend, timeout));
  ConnectRequest request = to_target(connection_, exchange.host, exchange.port, exchange.backend, timeout);
  if (exchange.asks_parent() && exchange.method != Method::connect) request.tunnel_host.clear();
  exchange.dialer->start(std::move(request));
}

Reason HttpSession::on_address(const Endpoint& address) {
  if (const Reason denied = judge(address); denied != Reason::ok) return denied;
  if (!exchange_->guarded || exchange_->has_parent()) return Reason::ok;  // a parent may be one of ours
  if (!connection_.config().facts->is_own(address)) return Reason::ok;
  exchange_->denied_range = nullptr;
  return Reason::destination_denied;
}

Stream HttpSession::on_reuse(const Endpoint& address) {
  return exchange_->reusable && !exchange_->retried ? take_kept(address) : Stream();
}

void HttpSession::on_dialed(Stream stream, const Endpoint& address, bool reused) {
  Exchange& exchange = *exchange_;
  exchange.dns_time = exchange.dialer->times().dns;
  exchange.connect_time = exchange.dialer->times().connect;
  exchange.dialer.reset();
  exchange.trouble.clear();
  exchange.address = address;
  static_cast<void>(judge(address));  // others were judged after it; the rule that let this one pass counts
  exchange.reused = reused;
  if (exchange.backend != nullptr && !reused)
    connection_.server().note_connect(*exchange.backend, Reason::ok);
  if (exchange.method == Method::connect) {
    // Rules may have tightened while it was dialled; from now on on_config() looks.
    const Reason denied = exchange.guarded ? judge_anew() : Reason::ok;
    if (denied != Reason::ok) {
      reply(status_of(denied), denied);
      return run();
    }
    open_tunnel(std::move(stream));
    return;
  }
  exchange.upstream = std::move(stream);
  phase_ = Phase::exchange;
  send_request(exchange.pending, {});
  if (!exchange.reusable) exchange.pending = {};  // what was not taken is kept by the pump
  run();
}

void HttpSession::on_dial_failed(Reason reason) {
  Exchange& exchange = *exchange_;
  const bool parent_works = exchange.dialer->is_target_failure();
  exchange.trouble = exchange.dialer->detail();
  exchange.dialer.reset();
  if (exchange.backend != nullptr) {
    if (!exchange.brief_dial || reason != Reason::connect_timeout)
      connection_.server().note_connect(*exchange.backend, parent_works ? Reason::ok : reason);
    exchange.slot.give_back();
    exchange.dial_failure = reason;
    if (!parent_works) return try_another();
  }
  reply(status_of(reason), reason);
  run();
}

/// The head as a parent proxy wants it: in absolute form, with our credentials.
static std::string for_parent(std::string_view head, const Exchange& exchange) {
  std::string authority = HostPort{exchange.host, exchange.port}.to_string();
  if (exchange.port == 80) authority.erase(authority.rfind(':'));
  const std::size_t target = head.find(' ') + 1;
  const std::size_t fields = head.find("\r\n") + 2;
  const std::string_view line = head.substr(target, fields - target);
  std::string out{head.substr(0, target)};
  out += "http://" + authority;
  out += line.starts_with('*') ? line.substr(1) : line;  // RFC 9112, 3.2.4
  const std::string& credentials = exchange.link->authorization;
  if (!credentials.empty()) out += "Proxy-Authorization: " + credentials + "\r\n";
  return out.append(head.substr(fields));
}

/// Sends what the upstream is to get first, and starts the timer for what comes next.
bool HttpSession::send_request(std::string_view head, std::string_view body) {
  Exchange& exchange = *exchange_;
  exchange.upstream.set_handler(this);
  std::string absolute;
  if (exchange.asks_parent()) head = absolute = for_parent(head, exchange);
  if (!exchange.request.send(exchange.upstream, head, body)) exchange.upload_broken = true;
  exchange.request.take_written();
  (exchange.request.finished() ? handler_.timers().response : handler_.timers().body)->arm(deadline_);
  return true;
}

bool HttpSession::lost_upstream() {
  Exchange& exchange = *exchange_;
  const bool silent = exchange.upstream_in.empty() && exchange.interims == 0;
  if (!silent || !exchange.reusable || exchange.retried) return reply(502, Reason::upstream_closed);
  exchange.retried = true;
  exchange.upstream.close();
  exchange.upload_broken = false;
  exchange.request.clear(net());
  exchange.address.reset();
  exchange.dial_until.reset();
  // To another backend when there is one with room, else to the same again.
  if (exchange.backend != nullptr && choose_backend() == BackendChoice::Step::wait) exchange.choice.give_up();
  dial();
  return false;
}

}  // namespace arcus::http
