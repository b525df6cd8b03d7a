#include "proxies/socks/binding.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "lib/net/datagram.h"
#include "lib/net/socket.h"

namespace arcus::socks {

/// Strangers turned away per wake-up.
static constexpr int accepts_per_wakeup = 16;

void Binding::start(const Wish& wish) {
  source_ = wish.source;
  v4_only_ = wish.v4_only;
  context_.deadlines.of(wish.timeout).arm(deadline_);
  if (wish.peer.address) return listen_for({&*wish.peer.address, 1});
  context_.resolver.resolve(wish.peer.name, *this);
}

void Binding::close() noexcept {
  cancel();
  deadline_.disarm();
  if (!listening_) return;
  context_.poller.forget(listening_.get());
  listening_.reset();
}

void Binding::on_resolved(Reason reason, std::span<const IpAddress> addresses) {
  if (reason != Reason::ok) return fail(reason);
  listen_for(addresses);
}

/// One socket has one family: that of the first address which may come.
void Binding::listen_for(std::span<const IpAddress> addresses) {
  Reason denied = Reason::dns_failed;
  for (const IpAddress& address : addresses) {
    if (v4_only_ && !address.is_v4()) continue;
    if (!peers_.empty() && peers_.front().is_v4() != address.is_v4()) continue;
    const Reason verdict = handler_.on_peer_address(address);
    if (verdict == Reason::ok)
      peers_.push_back(address);
    else
      denied = verdict;
  }
  if (peers_.empty()) return fail(denied);
  const IpAddress& peer = peers_.front();
  const auto local = source_ && source_->is_v4() == peer.is_v4() ? source_ : local_address_toward(peer);
  if (!local) return fail(Reason::unreachable);
  listening_ = socket::listen({*local, 0}, 4);
  if (!listening_ || !context_.poller.add(listening_.get(), *this, EPOLLIN))
    return fail(Reason::local_resource);
  handler_.on_listening(socket::local_endpoint(listening_.get()));
}

void Binding::on_events(std::uint32_t) {
  for (int i = 0; i < accepts_per_wakeup; ++i) {
    Endpoint peer;
    UniqueFd socket = socket::accept(listening_.get(), peer);
    if (!socket) {
      if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR) fail(Reason::local_resource);
      return;
    }
    const bool expected = std::ranges::find(peers_, peer.address) != peers_.end();
    if (!expected || handler_.on_peer_address(peer.address) != Reason::ok) {
      socket::set_reset_on_close(socket.get());
      continue;
    }
    close();
    handler_.on_peer(std::move(socket), peer);
    return;
  }
}

void Binding::on_deadline(Deadline&) { fail(Reason::connect_timeout); }

void Binding::fail(Reason reason) {
  close();
  handler_.on_bind_failed(reason);
}

}  // namespace arcus::socks
