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
      user_slot_(std::move(other.user_slot_)),
      bandwidth_(std::move(other.bandwidth_)),
      peer_(other.peer_),
      round_trip_us_(other.round_trip_us_),
      told_local_(std::move(other.told_local_)),
      accepted_at_(other.accepted_at_),
      id_(other.id_) {}

ClientConnection::~ClientConnection() {
  if (!server_) return;
  stream_.close();
  user_slot_.give_back();
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

Reason ClientConnection::admit_request(std::string_view user) {
  static const std::shared_ptr<Quota> no_one;
  const UserTable* users = server_->config()->users.get();  // of now: somebody may be new since the accept
  const UserTable::User* known = users != nullptr && !user.empty() ? users->find(user) : nullptr;
  if (!user_slot_.take(known == nullptr ? no_one : known->quota)) return Reason::limit_user;
  return take_request(*config_->limits, user_slot_.user().get(), thread().now());
}

void ClientConnection::renew_throttles() {
  const ServerLimits& limits = *config_->limits;
  const std::shared_ptr<Quota>& user = user_slot_.user();
  if (!limits.tenant->bytes.is_limited() && !limits.server->bytes.is_limited() &&
      (!user || !user->bytes.is_limited()))
    return bandwidth_.reset();
  if (bandwidth_ && bandwidth_->user == user)
    bandwidth_->throttles.cancel();  // what it waited for was of the former limits
  else
    bandwidth_ = std::make_unique<BandwidthShare>(thread().net(), config_->limits, user);
}

bool ClientConnection::take_bytes(std::size_t bytes) noexcept {
  const auto units = static_cast<std::int64_t>(bytes);
  const SteadyTime now = thread().now();
  // Streams have queued for what comes next; a datagram cannot wait, so it may go before them.
  constexpr std::chrono::milliseconds patience{500};
  RateBucket& of_tenant = config_->limits->tenant->bytes;
  RateBucket& of_server = config_->limits->server->bytes;
  if (!of_tenant.take(now, units, patience)) return false;
  if (of_server.take(now, units, patience)) {
    if (!user_slot_.user() || user_slot_.user()->bytes.take(now, units, patience)) return true;
    of_server.give_back(units);
  }
  of_tenant.give_back(units);
  return false;
}

void ClientConnection::count_in(std::size_t bytes) noexcept { server_->counters().bytes_in.add(bytes); }

void ClientConnection::count_out(std::size_t bytes) noexcept { server_->counters().bytes_out.add(bytes); }

void ClientConnection::count_request(std::string_view user, std::uint32_t rule) noexcept {
  server_->count_request(user, rule);
}

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
  bandwidth_.reset();
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
