#include "proxies/socks/association.h"

#include <algorithm>
#include <array>
#include <utility>

namespace arcus::socks {

/// Datagrams taken from one socket before others get their turn.
static constexpr int datagrams_per_wakeup = 64;
/// Ports of a range tried for one association.
static constexpr int max_port_tries = 1024;

Association::Association(NetContext& context, AssociationHandler& handler) noexcept
    : context_(context),
      handler_(handler),
      client_side_(context.poller, *this),
      v4_side_(context.poller, *this),
      v6_side_(context.poller, *this) {}

Reason Association::open(const Wish& wish) {
  if (!wish.tenant->associations.take()) return Reason::limit_tenant;
  tenant_ = wish.tenant;
  advertise_ = wish.config->udp_advertise;
  egress_ = wish.config->egress;
  client_ = {wish.client, 0};
  // A declared address that is not the client's was seen through a translator, which changed the port too.
  const auto& declared = wish.declared.address;
  if (declared && (declared->is_any() || *declared == wish.client)) client_.port = wish.declared.port;
  if (!open_client_side(wish.local, wish.config->udp_ports)) {
    close();
    return Reason::local_resource;
  }
  idle_list_ = &context_.deadlines.of(wish.config->udp_timeout);
  idle_list_->arm(idle_);
  return Reason::ok;
}

bool Association::open_client_side(const IpAddress& local, PortRange ports) {
  if (ports.last == 0) return client_side_.open({local, 0});
  static thread_local std::uint32_t turn = 0;
  const std::uint32_t count = std::uint32_t{ports.last} - ports.first + 1;
  for (int tries = std::min(max_port_tries, static_cast<int>(count)); tries > 0; --tries) {
    const auto port = static_cast<std::uint16_t>(ports.first + turn++ % count);
    if (client_side_.open({local, port})) return true;
  }
  return false;
}

void Association::close() noexcept {
  idle_.disarm();
  waiting_.clear();
  waiting_bytes_ = 0;
  client_side_.close();
  v4_side_.close();
  v6_side_.close();
  if (const auto tenant = std::exchange(tenant_, nullptr)) tenant->associations.give();
}

Endpoint Association::advertised() const noexcept {
  const Endpoint local = client_side_.local();
  return {advertise_.value_or(local.address), local.port};
}

void Association::on_deadline(Deadline&) { handler_.on_association_idle(); }

void Association::on_datagrams(DatagramSocket& socket) {
  // Room for the head of an answer stays free in front.
  const std::span<char> room = context_.scratch.subspan(max_reply);
  for (int i = 0; i < datagrams_per_wakeup; ++i) {
    Endpoint from;
    const auto bytes = socket.receive(room, from);
    if (!bytes) return;
    if (&socket == &client_side_)
      take_from_client(*bytes, from);
    else
      take_answer(*bytes, from);
  }
}

bool Association::is_client(const Endpoint& from) const noexcept {
  return from.address == client_.address && (client_.port == 0 || from.port == client_.port);
}

void Association::take_from_client(std::string_view bytes, const Endpoint& from) {
  Datagram datagram;
  if (!is_client(from) || !parse_datagram(bytes, datagram) || !handler_.may_pass(bytes.size())) return;
  client_.port = from.port;
  const Destination& to = datagram.destination;
  if (to.address) return send_to_any({}, to.port, {&*to.address, 1}, datagram.payload, bytes.size());
  if (!handler_.may_resolve(to.name, to.port)) return;
  if (const auto known = context_.resolver.known(to.name); !known.empty())
    return send_to_any(to.name, to.port, known, datagram.payload, bytes.size());
  wait_for(datagram, bytes.size());
}

void Association::wait_for(const Datagram& datagram, std::size_t received) {
  if (waiting_.size() >= max_waiting || waiting_bytes_ + received > max_waiting_bytes) return;
  Waiting& one = waiting_.emplace_back();
  one.owner = this;
  one.self = std::prev(waiting_.end());
  one.host = datagram.destination.name;
  one.port = datagram.destination.port;
  one.payload = datagram.payload;
  one.received = received;
  waiting_bytes_ += received;
  context_.resolver.resolve(one.host, one);
}

void Association::Waiting::on_resolved(Reason reason, std::span<const IpAddress> addresses) {
  Association& association = *owner;
  if (reason == Reason::ok) association.send_to_any(host, port, addresses, payload, received);
  association.waiting_bytes_ -= received;
  association.waiting_.erase(self);  // destroys *this
}

/// To the first address that is allowed and can be reached; IPv4 first, as nobody would notice a lost IPv6.
void Association::send_to_any(std::string_view host, std::uint16_t port, std::span<const IpAddress> addresses,
                              std::string_view payload, std::size_t received) {
  for (const bool v4 : {true, false}) {
    for (const IpAddress& address : addresses) {
      const Endpoint to{address, port};
      if (address.is_v4() != v4 || !handler_.may_send(host, to) || !send_out(payload, to)) continue;
      handler_.on_datagram_moved(received, 0);
      idle_list_->arm(idle_);
      return;
    }
  }
}

bool Association::send_out(std::string_view payload, const Endpoint& to) {
  DatagramSocket& socket = to.address.is_v4() ? v4_side_ : v6_side_;
  if (!socket.is_open()) {
    const IpAddress any = to.address.is_v4() ? IpAddress() : IpAddress::v6({});
    const bool fits = egress_ && egress_->is_v4() == to.address.is_v4();
    if (!socket.open({fits ? *egress_ : any, 0})) return false;
  }
  // Known before it can answer.
  contacts_.add(to);
  return socket.send(payload, to);
}

void Association::take_answer(std::string_view payload, const Endpoint& from) {
  if (!contacts_.contains(from)) return;
  char* end = context_.scratch.data() + max_reply;  // where the payload begins
  const char* begin = write_datagram_head(from, end);
  const std::string_view bytes{begin, static_cast<std::size_t>(end - begin) + payload.size()};
  if (!handler_.may_pass(bytes.size()) || !client_side_.send(bytes, client_)) return;
  handler_.on_datagram_moved(0, bytes.size());
  idle_list_->arm(idle_);
}

}  // namespace arcus::socks
