#include "lib/runtime/connection.h"

#include <utility>

#include "lib/net/linger.h"
#include "lib/net/socket.h"
#include "lib/runtime/access_log.h"
#include "lib/runtime/preamble.h"
#include "lib/runtime/protocol.h"
#include "lib/runtime/server_on_thread.h"
#include "lib/runtime/thread.h"

namespace arcus {

ClientConnection::ClientConnection(ServerOnThread& server, Stream stream, const Endpoint& peer,
                                   ConnectionSlot slot)
    : stream_(std::move(stream)),
      server_(&server),
      config_(server.config()),
      slot_(std::move(slot)),
      peer_(peer),
      accepted_at_(server.thread().now()),
      id_(server.thread().next_connection_id()) {
  if (wants_details()) round_trip_us_ = socket::round_trip_us(stream_.fd());
  server.connection_opened();
}

ClientConnection::ClientConnection(ClientConnection&& other) noexcept
    : stream_(std::move(other.stream_)),
      server_(std::exchange(other.server_, nullptr)),
      config_(std::move(other.config_)),
      slot_(std::move(other.slot_)),
      peer_(other.peer_),
      round_trip_us_(other.round_trip_us_),
      told_local_(std::move(other.told_local_)),
      accepted_at_(other.accepted_at_),
      id_(other.id_) {}

ClientConnection::~ClientConnection() {
  if (!server_) return;
  stream_.close();
  slot_.give_back();
  server_->connection_closed();
}

DataThread& ClientConnection::thread() const noexcept { return server_->thread(); }

bool ClientConnection::wants_details() const noexcept {
  return config_->access_format == AccessFormat::json && config_->access_log && config_->access_log->is_on();
}

void ClientConnection::renew_config() { config_ = server_->config(); }

std::string ClientConnection::certified_user(const ServerConfig& config) const {
  constexpr std::size_t longest = 129;  // one more than users have: a longer name stays too long
  if (!config.preamble || !config.preamble->tls) return {};
  return stream_.peer_name(config.preamble->tls->context()).substr(0, longest);
}

Reason ClientConnection::judge_certified(const ServerConfig& config, std::string_view user) noexcept {
  return user.empty() ? Reason::auth_required : config.users->still_admits(user);
}

Endpoint ClientConnection::local() const noexcept {
  return told_local_ ? *told_local_ : socket::local_endpoint(stream_.fd());
}

void ClientConnection::count_in(std::size_t bytes) noexcept { server_->counters().bytes_in.add(bytes); }

void ClientConnection::count_out(std::size_t bytes) noexcept { server_->counters().bytes_out.add(bytes); }

void ClientConnection::count_request() noexcept { server_->counters().total_requests.add(); }

void ClientConnection::record(const AccessRecord& record) noexcept {
  if (stream_.valid() && wants_details()) round_trip_us_ = socket::round_trip_us(stream_.fd());
  server_->record(*config_, {.client = peer_, .connection = id_, .round_trip_us = round_trip_us_}, record);
}

namespace {

/// Keeps a connection's slot and count until its last bytes are through.
struct LastWords final : Retired {
  explicit LastWords(ClientConnection&& its_connection) : connection(std::move(its_connection)) {}
  ClientConnection connection;
};

}  // namespace

void ClientConnection::close_politely(std::string rest) && {
  Stream stream = std::move(stream_);
  Lingering& lingering = thread().net().lingering;
  lingering.add(std::move(stream), rest, std::make_unique<LastWords>(std::move(*this)));
}

Session::~Session() = default;

void Session::end() { connection_.server().release(*this); }

void Handler::take_over(ClientConnection connection, std::string_view) { connection.reset(); }

void Handler::refuse(ClientConnection connection, Reason) { connection.reset(); }

void Handler::probe(Stream stream) { server_.thread().net().lingering.add(std::move(stream)); }

}  // namespace arcus
