#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/columns.h"

namespace arcus::registry {

/// A row of `backend`.
struct Backend {
  std::string id;
  std::string tenant_id;
  std::string server_id;
  std::string address;  ///< HOST:PORT
  std::int64_t weight = 1;
  bool backup = false;
  std::int64_t max_connections = 0;
  std::string admin_state = "enabled";
  std::string role = "origin";  ///< origin, parent_http, parent_https, parent_socks5
  bool tls = false;
  std::string tls_verify = "full";  ///< full, ca, none
  std::optional<std::string> tls_server_name;
  std::optional<std::string> tls_ca_path;
  std::optional<std::string> user_name;
  std::optional<std::string> password_path;
  std::string state = "unknown";  ///< backend_state: up, down, unknown
};

/// A backend as typed: "db.internal:5432,weight=3,backup,max=100", also with tls, sni=NAME,
/// verify=full|ca|none, ca=PATH; or a parent proxy: "socks5://user@proxy:1080,password_file=PATH".
struct BackendSpec {
  std::string address;
  std::int64_t weight = 1;
  bool backup = false;
  std::int64_t max_connections = 0;
  std::string role = "origin";
  bool tls = false;
  std::string tls_verify = "full";
  std::optional<std::string> tls_server_name;
  std::optional<std::string> tls_ca_path;
  std::optional<std::string> user_name;
  std::optional<std::string> password_path;
};

/// Throws Error (usage) with a sentence. A text with `://` is a parent proxy: http, https or socks5. Relative
/// paths are taken as they are.
BackendSpec parse_backend(std::string_view text);
/// What parse_backend reads, as text.
std::string backend_text(const Backend& backend);

Backend add_backend(Database& db, std::string_view server_id, const BackendSpec& spec);
std::vector<Backend> list_backends(Database& db, std::string_view server_id);
/// By address or id within a server. Throws Error (not_found) with the nearest address.
Backend get_backend(Database& db, std::string_view server_id, std::string_view reference);
Backend set_backend(Database& db, std::string_view id, const std::vector<Assignment>& assignments);
/// Throws Error (conflict) for the last backend of a server whose type needs one.
void remove_backend(Database& db, std::string_view id);

}  // namespace arcus::registry
