#include <utility>

#include "lib/net/socket.h"
#include "lib/runtime/thread.h"
#include "proxies/socks/session.h"

namespace arcus::socks {

void SocksSession::dial() {
  if (has_parents(connection_.config()))
    if (const Reason denied = decided(judge_for_parent(newest(), asked())); denied != Reason::ok)
      return refuse(denied);
  phase_ = Phase::dialing;
  DialHandler& hears = *this;  // a private base: make_unique could not convert
  dialer_ = std::make_unique<UpstreamDial>(connection_, hears);
  dialer_->start_to_target(host_, port_);
}

Reason SocksSession::on_address(const Endpoint& address) {
  return decided(judge(newest(), asked(), address.address));
}

void SocksSession::on_dialed(Stream stream, const Endpoint& address, bool) {
  // Rules may have tightened while it was dialled; from now on on_config() looks.
  const Reason denied = decided(dialer_->has_parent() ? judge_for_parent(newest(), asked())
                                                      : judge(newest(), asked(), address.address));
  if (denied != Reason::ok) {
    dialer_.reset();
    return refuse(denied);
  }
  times_ = dialer_->times();
  parent_slot_ = dialer_->take_slot();
  via_parent_ = dialer_->has_parent();
  dialer_.reset();
  // SOCKS4's reply to CONNECT has no use for an address.
  const Endpoint bound = version_ == Version::v5 ? socket::local_endpoint(stream.fd()) : Endpoint{};
  open_tunnel(std::move(stream), address, bound);
}

void SocksSession::on_dial_failed(Reason reason) {
  dialer_.reset();
  refuse(reason);
}

}  // namespace arcus::socks
