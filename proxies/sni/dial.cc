#include <chrono>
#include <string>
#include <utility>

#include "lib/policy/guard.h"
#include "lib/runtime/thread.h"
#include "proxies/sni/session.h"

namespace arcus {

using std::chrono::microseconds;

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
  opening_->deadline.disarm();
  DialHandler& hears = *this;  // a private base: emplace could not convert
  UpstreamDial& dial = opening_->dial.emplace(connection_, hears);
  if (route.kind == policy::RouteKind::backends) return dial.start_to_backend();
  if (route.kind == policy::RouteKind::endpoint) return dial.start_directly(route.host, route.port);
  dial.start_to_target(name_, port_);
}

Reason SniSession::on_address(const Endpoint& address) { return judge(&address); }

void SniSession::on_dialed(Stream stream, const Endpoint& address, bool) {
  // Rules may have tightened while it was dialled; from now on on_config() looks.
  if (const Reason denied = judge(&address); denied != Reason::ok)
    return refuse(denied, tls::Alert::access_denied);
  const auto waited = connection_.thread().now() - opening_->began;
  connect_us_ = static_cast<std::uint32_t>(std::chrono::duration_cast<microseconds>(waited).count());
  dns_us_ = static_cast<std::uint32_t>(opening_->dial->times().dns.count());
  backend_slot_ = opening_->dial->take_slot();
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
  if (reason == Reason::acl_denied || reason == Reason::destination_denied)
    return refuse(reason, tls::Alert::access_denied);
  finish(reason);
}

}  // namespace arcus
