#include <utility>

#include "lib/net/socket.h"
#include "lib/runtime/thread.h"
#include "proxies/socks/session.h"

namespace arcus::socks {

void SocksSession::dial() {
  phase_ = Phase::dialing;
  DialHandler& hears = *this;  // a private base: make_unique could not convert
  dialer_ = std::make_unique<Dialer>(net(), hears);
  dialer_->start({.host = host_,
                  .port = port_,
                  .timeout = connection_.config().connection_timeout(),
                  .source = config().egress});
}

Reason SocksSession::on_address(const Endpoint& address) { return judge(newest(), asked(), address.address); }

void SocksSession::on_dialed(Stream stream, const Endpoint& address, bool) {
  times_ = dialer_->times();
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
