#include <array>
#include <utility>

#include "lib/runtime/thread.h"
#include "proxies/socks/session.h"

namespace arcus::socks {

void SocksSession::open_tunnel(Stream upstream, const Endpoint& address, const Endpoint& bound) {
  phase_ = Phase::tunnel;
  served_ = true;
  upstream_ = address;
  connection_.count_request(user(), rule_);
  response_time_ =
      std::chrono::duration_cast<std::chrono::microseconds>(connection_.thread().now() - asked_at_);
  std::array<char, max_reply> reply;
  const std::string_view bytes{reply.data(), write_reply(version_, Code::granted, bound, reply)};
  const IoResult sent = client().write(bytes);
  bytes_out_ += sent.bytes;
  connection_.count_out(sent.bytes);
  if (connection_.wants_details()) {
    witness_ = std::make_unique<tls::NameWitness>();
    relay_.listen();
  }
  connection_.renew_throttles();
  relay_.set_throttles(connection_.throttles());
  relay_.start(client(), std::move(upstream), in_.view(), bytes.substr(sent.bytes),
               connection_.config().idle_timeout());
  in_.clear();
}

void SocksSession::on_relayed(std::size_t from_client, std::size_t from_backend) noexcept {
  bytes_in_ += from_client;
  bytes_out_ += from_backend;
  connection_.count_in(from_client);
  connection_.count_out(from_backend);
}

bool SocksSession::on_client_bytes(std::string_view bytes) { return witness_->take(bytes); }

void SocksSession::on_relay_done(Reason reason) { finish(reason); }

Reason SocksSession::on_peer_address(const IpAddress& address) {
  return decided(judge(newest(), asked(), address));
}

void SocksSession::on_listening(const Endpoint& local) {
  if (send_reply(local)) on_ready(client());
}

void SocksSession::on_peer(UniqueFd socket, const Endpoint& peer) {
  Stream stream(net().poller, std::move(socket));
  if (!stream.valid()) return refuse(Reason::local_resource);
  open_tunnel(std::move(stream), peer, peer);
}

void SocksSession::on_bind_failed(Reason reason) { refuse(reason); }

bool SocksSession::may_resolve(std::string_view host, std::uint16_t port) {
  return judge(newest(), {connection_.peer().address, user(), host, port}).reason == Reason::ok;
}

bool SocksSession::may_send(std::string_view host, const Endpoint& to) {
  // The text of an address matters to rules only.
  const std::string literal = host.empty() && !newest().policy->empty() ? to.address.to_string() : "";
  const Asked asked{connection_.peer().address, user(), host.empty() ? literal : host, to.port};
  return judge(newest(), asked).reason == Reason::ok &&
         judge(newest(), asked, to.address).reason == Reason::ok;
}

bool SocksSession::may_pass(std::size_t bytes) noexcept { return connection_.take_bytes(bytes); }

void SocksSession::on_datagram_moved(std::size_t from_client, std::size_t to_client) noexcept {
  on_relayed(from_client, to_client);
}

void SocksSession::on_association_idle() { finish(Reason::idle_timeout); }

}  // namespace arcus::socks
