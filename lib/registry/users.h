#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus::registry {

/// A row of `user`: credentials of a tenant's clients.
struct User {
  std::string id;
  std::string tenant_id;
  std::string name;
  std::string password_hash;  ///< lib/crypto/password.h knows the forms; shown nowhere
  std::string description;
  bool enabled = true;
  std::optional<std::string> expires_at;  ///< as the registry writes times; nothing: never
  std::int64_t max_connections = 0;       ///< 0 = unlimited, as the limits below
  std::int64_t requests_per_second = 0;
  std::int64_t bandwidth_bytes_per_second = 0;
  std::int64_t generation = 1;

  /// Enabled, and not expired at that time.
  bool may_log_in(std::string_view now) const noexcept {
    return enabled && (!expires_at || *expires_at > now);
  }
};

/// 1 to 128 of A-Z a-z 0-9 . _ @ + - starting with a letter or digit.
bool is_user_name(std::string_view text) noexcept;

/// Adds a user (id, tenant_id and generation of `user` are ignored); returns the row made. Throws Error:
/// usage for a bad name or hash, conflict for a taken name.
User add_user(Database& db, std::string_view tenant_id, const User& user);
/// By name.
std::vector<User> list_users(Database& db, std::string_view tenant_id);
/// By name or whole id. Throws Error (not_found) with the nearest name.
User get_user(Database& db, std::string_view tenant_id, std::string_view reference);
/// `hash` as hash_password() makes it, or of crypt(5). Throws Error (usage) for another.
void set_password(Database& db, std::string_view id, std::string_view hash);
/// Changes enabled, expires_at, the limits and description to those of `user`, in one audit row; what is
/// there already is left alone.
void set_user(Database& db, const User& user);
/// Throws Error (conflict) while rules name the user.
void remove_user(Database& db, const User& user);

}  // namespace arcus::registry
