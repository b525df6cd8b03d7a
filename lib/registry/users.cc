#include "lib/registry/users.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/crypto/password.h"

namespace arcus::registry {

static bool is_letter_or_digit(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_user_name(std::string_view text) noexcept {
  constexpr std::size_t longest = 128;
  return !text.empty() && text.size() <= longest && is_letter_or_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) {
           return is_letter_or_digit(c) || std::string_view{"._@+-"}.find(c) != std::string_view::npos;
         });
}

static User read_user(const Statement& st) {
  auto [id, tenant_id, name, hash, description, enabled, expires_at, connections, requests, bandwidth,
        generation] =
      st.row<std::string, std::string, std::string, std::string, std::string, bool,
             std::optional<std::string>, std::int64_t, std::int64_t, std::int64_t, std::int64_t>();
  return {.id = std::move(id),
          .tenant_id = std::move(tenant_id),
          .name = std::move(name),
          .password_hash = std::move(hash),
          .description = std::move(description),
          .enabled = enabled,
          .expires_at = std::move(expires_at),
          .max_connections = connections,
          .requests_per_second = requests,
          .bandwidth_bytes_per_second = bandwidth,
          .generation = generation};
}

/// All of a tenant, or the one of that name or id: a name that looks like an id wins over the id.
static Statement select_users(Database& db, std::string_view tenant_id,
                              std::optional<std::string_view> reference) {
  return db.query(
      "SELECT id, tenant_id, name, password_hash, description, enabled, expires_at, max_connections, "
      "requests_per_second, bandwidth_bytes_per_second, generation FROM user "
      "WHERE tenant_id = ?1 AND (?2 IS NULL OR name = ?2 OR id = ?2) ORDER BY name IS ?2 DESC, name",
      tenant_id, reference);
}

std::vector<User> list_users(Database& db, std::string_view tenant_id) {
  std::vector<User> out;
  auto st = select_users(db, tenant_id, std::nullopt);
  while (st.step()) out.push_back(read_user(st));
  return out;
}

User get_user(Database& db, std::string_view tenant_id, std::string_view reference) {
  {
    auto st = select_users(db, tenant_id, reference);
    if (st.step()) return read_user(st);
  }
  std::vector<std::string> names;
  for (const User& user : list_users(db, tenant_id)) names.push_back(user.name);
  throw Error(ErrorKind::not_found, "no user '" + std::string{reference} + "'")
      .about(std::string{reference})
      .suggest(nearest_word(reference, names).value_or(""))
      .with_hint("arcusctl user list");
}

static void check_hash(std::string_view hash) {
  if (!is_password_hash(hash))
    throw Error(ErrorKind::usage,
                "user.password_hash: what arcusctl user passwd makes, or $2b$, $y$, $6$, $5$ of crypt(5)");
}

User add_user(Database& db, std::string_view tenant_id, const User& user) {
  if (!is_user_name(user.name))
    throw Error(
        ErrorKind::usage,
        "user.name: 1-128 of A-Z a-z 0-9 . _ @ + - starting with a letter or digit, not '" + user.name + "'")
        .about(user.name);
  check_hash(user.password_hash);
  auto taken = db.query("SELECT 1 FROM user WHERE tenant_id = ? AND name = ?", tenant_id, user.name);
  if (taken.step())
    throw Error(ErrorKind::conflict, "this tenant already has a user '" + user.name + "'")
        .about(user.name)
        .with_hint("arcusctl user passwd " + user.name);
  const std::string id = new_id();
  db.exec(
      "INSERT INTO user (id, tenant_id, name, password_hash, description, enabled, expires_at, "
      "max_connections, "
      "requests_per_second, bandwidth_bytes_per_second) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id, tenant_id, user.name, user.password_hash, user.description, user.enabled, user.expires_at,
      user.max_connections, user.requests_per_second, user.bandwidth_bytes_per_second);
  return get_user(db, tenant_id, id);
}

void set_password(Database& db, std::string_view id, std::string_view hash) {
  check_hash(hash);
  db.exec("UPDATE user SET password_hash = ? WHERE id = ?", hash, id);
}

void set_user(Database& db, const User& user) {
  db.exec(
      "UPDATE user SET enabled = ?1, expires_at = ?2, description = ?3, max_connections = ?4, "
      "requests_per_second = ?5, bandwidth_bytes_per_second = ?6 "
      "WHERE id = ?7 AND (enabled <> ?1 OR expires_at IS NOT ?2 OR description <> ?3 OR "
      "max_connections <> ?4 OR requests_per_second <> ?5 OR bandwidth_bytes_per_second <> ?6)",
      user.enabled, user.expires_at, user.description, user.max_connections, user.requests_per_second,
      user.bandwidth_bytes_per_second, user.id);
}

void remove_user(Database& db, const User& user) {
  auto st = db.query("SELECT number FROM acl WHERE user_id = ? ORDER BY number", user.id);
  std::vector<std::string> numbers;
  while (st.step()) numbers.push_back(std::to_string(st.integer(0)));
  if (!numbers.empty())
    throw Error(ErrorKind::conflict, "user '" + user.name + "' is named by " +
                                         (numbers.size() == 1 ? "rule " : "rules ") + join(numbers, ", "))
        .about(user.name)
        .with_hint("arcusctl acl remove " + numbers.front() + ", or: arcusctl user disable " + user.name);
  db.exec("DELETE FROM user WHERE id = ?", user.id);
}

}  // namespace arcus::registry
