#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "lib/policy/guard.h"
#include "lib/runtime/thread.h"
#include "proxies/sni/session.h"

namespace arcus {

using std::chrono::microseconds;

/// Backends tried for one client at the most.
static constexpr std::size_t max_attempts = 3;

policy::Request SniSession::question() const {
  return {.client = connection_.peer().address, .host = name_, .port = port_};
}

Reason SniSession::judge(const Endpoint* address) {
  const ServerConfig& newest = *connection_.server().config();
  const policy::Policy& policy = *newest.policy;
  policy::Decision decision;
  if (guarded_ && has_parents(connection_.config())) {
    decision = decide_for_parent(newest, question());
  } else if (guarded_ && address != nullptr) {
    if (newest.facts->is_own(*address)) return Reason::destination_denied;
    decision = policy.decide_address(question(), *address, {});
  } else if (!policy.empty()) {
    decision = policy.decide(question(), address != nullptr ? &address->address : nullptr);
  }
  rule_ = decision.tally;
  return decision.reason;
}

void SniSession::dial(const policy::Route& route) {
  phase_ = Phase::dialing;
  opening_->began = connection_.thread().now();
  const auto timeout = connection_.config().connection_timeout();
  connection_.thread().deadlines().of(timeout).arm(opening_->deadline);
  if (route.kind == policy::RouteKind::backends) return try_backend();
  if (route.kind == policy::RouteKind::endpoint)
    return opening_->connector.start(to_target(connection_, route.host, route.port, nullptr, timeout));
  DialHandler& hears = *this;  // a private base: emplace could not convert
  opening_->target.emplace(connection_, hears);
  opening_->target->start(name_, port_);
}

void SniSession::try_backend() {
  const ServerConfig& config = connection_.config();
  BackendChooser& chooser = connection_.server().chooser();
  Opening& opening = *opening_;
  Reason reason = last_failure_;
  opening.backend =
      opening.tried.size() >= max_attempts
          ? nullptr
          : chooser.pick(*config.backends, opening.tried, client_key(connection_.peer().address),
                         connection_.thread().now(), reason);
  if (!opening.backend) return finish(opening.tried.empty() ? reason : last_failure_);
  opening.tried.push_back(chooser.last_index());
  backend_slot_ = connection_.server().take_slot(*opening.backend);
  const bool last = opening.tried.size() >= std::min(max_attempts, config.backends->all().size());
  const auto timeout = last ? config.connection_timeout() : config.connection_timeout() / 3;
  opening.connector.start(to_backend(connection_, *opening.backend, timeout));
}

Reason SniSession::on_address(const Endpoint& address) { return judge(&address); }

void SniSession::on_dialed(Stream stream, const Endpoint& address, bool) {
  // Rules may have tightened while it was dialled; from now on on_config() looks.
  if (const Reason denied = judge(&address); denied != Reason::ok)
    return refuse(denied, tls::Alert::access_denied);
  if (opening_->backend != nullptr) connection_.server().note_connect(*opening_->backend, Reason::ok);
  const auto waited = connection_.thread().now() - opening_->began;
  connect_us_ = static_cast<std::uint32_t>(std::chrono::duration_cast<microseconds>(waited).count());
  auto& target = opening_->target;
  const DialTimes times = target ? target->times() : opening_->connector.times();
  dns_us_ = static_cast<std::uint32_t>(times.dns.count());
  if (target) backend_slot_ = target->take_slot();
  upstream_ = address;
  phase_ = Phase::relay;
  connection_.count_request({}, rule_);
  const std::unique_ptr<Opening> opening = std::move(opening_);
  connection_.renew_throttles();
  relay_.set_throttles(connection_.throttles());
  relay_.start(connection_.stream(), std::move(stream), opening->received, {},
               connection_.config().idle_timeout());
}

void SniSession::on_dial_failed(Reason reason) {
  if (opening_->backend != nullptr) {
    connection_.server().note_connect(*opening_->backend, reason);
    last_failure_ = reason;
    backend_slot_.give_back();
    return try_backend();
  }
  if (reason == Reason::acl_denied || reason == Reason::destination_denied)
    return refuse(reason, tls::Alert::access_denied);
  finish(reason);
}

}  // namespace arcus
