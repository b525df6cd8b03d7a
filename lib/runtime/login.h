#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/crypto/secret.h"
#include "lib/runtime/limits.h"
#include "lib/wire/config.h"

namespace arcus {

class DataThread;
struct ServerConfig;

/// The users of a tenant by name; immutable, shared by all threads.
class UserTable {
 public:
  /// Users of `previous` keep what counts for their limits; they are the new ones from here on.
  explicit UserTable(std::span<const wire::UserConfig> users, const UserTable* previous = nullptr);

  struct User {
    std::string hash;
    bool enabled = true;
    std::uint32_t tally = 0;
    std::shared_ptr<Quota> quota = {};  ///< never null in the table
  };
  /// nullptr when there is none of that name.
  const User* find(std::string_view name) const noexcept;
  /// ok, user_disabled, or auth_failed when there is no such user any more: for somebody who has logged in.
  Reason still_admits(std::string_view name) const noexcept;

 private:
  struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };
  std::unordered_map<std::string, User, NameHash, std::equal_to<>> users_;
};

/// Somebody who has logged in.
struct Identity {
  std::string user;
  Mac mac{};  ///< of what they showed
};

class LoginHandler {
 public:
  /// ok: identity() is who it is. Else auth_failed or user_disabled. Never called before check() has
  /// returned.
  virtual void on_login(Reason reason) = 0;

 protected:
  ~LoginHandler() = default;
};

/// How one client shows who it is, on its data thread; keeps who that was.
class Login {
 public:
  explicit Login(LoginHandler& handler) noexcept : handler_(handler) {}
  ~Login() { drop(); }
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  /// Looks at what a client of `config` (which asks for users) shows. ok, auth_failed, user_disabled or
  /// rate_limited when that is known at once; nothing when on_login() will tell.
  std::optional<Reason> check(DataThread& thread, const ServerConfig& config, const IpAddress& client,
                              std::string_view user, std::string_view password);
  bool is_waiting() const noexcept { return ticket_ != nullptr; }
  /// It is known who that is, without a password.
  void adopt(std::string user) { identity_ = Identity{std::move(user), {}}; }
  bool is_adopted() const noexcept { return identity_ && identity_->mac == Mac{}; }
  /// Nobody wants to know any more.
  void drop() noexcept;
  /// Nobody is logged in any more.
  void forget() noexcept { identity_.reset(); }

  /// nullptr before a login.
  const Identity* identity() const noexcept { return identity_ ? &*identity_ : nullptr; }
  /// Empty before a login.
  std::string_view user() const noexcept {
    return identity_ ? std::string_view{identity_->user} : std::string_view{};
  }

 private:
  struct Ticket;
  void finish(Reason reason);

  LoginHandler& handler_;
  std::shared_ptr<Ticket> ticket_;
  std::optional<Identity> identity_;
};

}  // namespace arcus
