#include "lib/runtime/login.h"

#include <utility>

#include "lib/crypto/password.h"
#include "lib/runtime/authenticator.h"
#include "lib/runtime/server_config.h"
#include "lib/runtime/thread.h"

namespace arcus {

/// One more than users may have.
static constexpr std::size_t max_user_name = 129;

/// What a check under way and the client that waits for it share. All but `gone` belongs to the data thread.
struct Login::Ticket {
  Login* owner = nullptr;
  std::shared_ptr<const UserTable> users;
  Identity identity;
  std::atomic<bool> gone{false};
};

UserTable::UserTable(std::span<const wire::UserConfig> users, const UserTable* previous) {
  for (const wire::UserConfig& user : users) {
    const User* known = previous == nullptr ? nullptr : previous->find(user.name);
    const auto quota = known == nullptr ? std::make_shared<Quota>() : known->quota;
    quota->connections.set_limit(user.max_connections);
    quota->set_rates(user.requests_per_second, user.bandwidth_bytes_per_second);
    users_.try_emplace(user.name, User{user.password_hash, user.enabled, user.tally, quota});
  }
}

const UserTable::User* UserTable::find(std::string_view name) const noexcept {
  const auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

Reason UserTable::still_admits(std::string_view name) const noexcept {
  const User* user = find(name);
  if (user == nullptr) return Reason::auth_failed;
  return user->enabled ? Reason::ok : Reason::user_disabled;
}

std::optional<Reason> Login::check(DataThread& thread, const ServerConfig& config, const IpAddress& client,
                                   std::string_view user, std::string_view password) {
  drop();
  user = user.substr(0, max_user_name);  // longer ones there are none, and one byte too many stays too many
  password = password.substr(0, max_password + 1);
  const UserTable::User* known = config.users->find(user);
  const std::string_view hash = known == nullptr ? std::string_view{} : std::string_view{known->hash};
  Authenticator& authenticator = thread.shared().authenticator();
  const Mac mac = authenticator.mac(config.wire.tenant_id, user, hash, password);
  const bool is_same = identity_ && known != nullptr && identity_->mac == mac;
  if (is_same || (known != nullptr && authenticator.remembers(mac))) {
    if (!known->enabled) return forget(), Reason::user_disabled;
    if (!is_same) identity_ = Identity{std::string{user}, mac};
    return Reason::ok;
  }
  forget();
  auto ticket = std::make_shared<Ticket>();
  ticket->owner = this;
  ticket->users = config.users;
  ticket->identity = {std::string{user}, mac};
  DataThread* there = &thread;
  Authenticator::Job job{.source = source_key(client),
                         .tenant_id = config.wire.tenant_id,
                         .user = std::string{user},
                         .hash = std::string{hash},
                         .password = Secret(password),
                         .mac = mac,
                         .gone = std::shared_ptr<const std::atomic<bool>>(ticket, &ticket->gone),
                         .done = [there, ticket](Reason reason) {
                           there->post([ticket, reason](DataThread&) {
                             if (ticket->owner != nullptr) ticket->owner->finish(reason);
                           });
                         }};
  if (const Reason refused = authenticator.submit(std::move(job)); refused != Reason::ok) return refused;
  ticket_ = std::move(ticket);
  return std::nullopt;
}

void Login::finish(Reason reason) {
  const auto ticket = std::exchange(ticket_, nullptr);
  ticket->owner = nullptr;
  if (reason == Reason::ok) reason = ticket->users->still_admits(ticket->identity.user);
  if (reason == Reason::ok) identity_ = std::move(ticket->identity);
  handler_.on_login(reason);
}

void Login::drop() noexcept {
  if (!ticket_) return;
  ticket_->owner = nullptr;
  ticket_->gone.store(true, std::memory_order_relaxed);
  ticket_.reset();
}

}  // namespace arcus
