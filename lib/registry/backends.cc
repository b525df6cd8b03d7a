#include "lib/registry/backends.h"

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/registry/assign.h"

namespace arcus::registry {

static Backend read_backend(const Statement& st) {
  Backend b;
  int i = 0;
  const auto text = [&](std::string& into) { into = st.column<std::string>(i++); };
  const auto optional = [&](std::optional<std::string>& into) {
    into = st.column<std::optional<std::string>>(i++);
  };
  text(b.id), text(b.tenant_id), text(b.server_id), text(b.address);
  b.weight = st.integer(i++);
  b.backup = st.integer(i++) != 0;
  b.max_connections = st.integer(i++);
  text(b.admin_state), text(b.role);
  b.tls = st.integer(i++) != 0;
  text(b.tls_verify), optional(b.tls_server_name), optional(b.tls_ca_path), optional(b.user_name);
  optional(b.password_path), text(b.state);
  return b;
}

static Statement select_backends(Database& db, std::optional<std::string_view> server_id,
                                 std::optional<std::string_view> id) {
  return db.query(
      "SELECT b.id, b.tenant_id, b.server_id, b.address, b.weight, b.backup, b.max_connections, "
      "b.admin_state, b.role, b.tls, b.tls_verify, b.tls_server_name, b.tls_ca_path, b.user_name, "
      "b.password_path, "
      "coalesce(s.state, 'unknown') FROM backend b LEFT JOIN backend_state s ON s.backend_id = b.id "
      "WHERE (?1 IS NULL OR b.server_id = ?1) AND (?2 IS NULL OR b.id = ?2) ORDER BY b.position, "
      "b.created_at, b.id",
      server_id, id);
}

static std::int64_t number_after(std::string_view part, std::string_view key, std::int64_t min,
                                 std::int64_t max) {
  const std::string_view text = part.substr(key.size());
  const auto value = parse_integer(text);
  if (!value || *value < min || *value > max)
    throw Error(ErrorKind::usage, "backend " + std::string{key.substr(0, key.size() - 1)} + ": " +
                                      std::to_string(min) + " to " + std::to_string(max) + ", not '" +
                                      std::string{text} + "'");
  return *value;
}

static std::string word_after(std::string_view part, std::string_view key) {
  const std::string_view text = part.substr(key.size());
  if (text.empty())
    throw Error(ErrorKind::usage, "backend " + std::string{key.substr(0, key.size() - 1)} + ": is empty");
  return std::string{text};
}

/// One of the parts behind the address.
static void read_part(BackendSpec& spec, const std::string& part) {
  if (part == "backup")
    spec.backup = true;
  else if (part == "tls")
    spec.tls = true;
  else if (part.starts_with("weight="))
    spec.weight = number_after(part, "weight=", 1, 256);
  else if (part.starts_with("max="))
    spec.max_connections = number_after(part, "max=", 0, 4'294'967'295);
  else if (part.starts_with("sni="))
    spec.tls_server_name = word_after(part, "sni=");
  else if (part.starts_with("ca="))
    spec.tls_ca_path = word_after(part, "ca=");
  else if (part.starts_with("password_file="))
    spec.password_path = word_after(part, "password_file=");
  else if (part == "verify=full" || part == "verify=ca" || part == "verify=none")
    spec.tls_verify = word_after(part, "verify=");
  else
    throw Error(ErrorKind::usage, "backend: unknown part '" + part +
                                      "', one of weight=N backup max=N tls sni=NAME verify=full|ca|none "
                                      "ca=PATH password_file=PATH");
}

namespace {
struct Scheme {
  std::string_view prefix;
  std::string_view role;
  std::string_view port;
};
}  // namespace

static constexpr Scheme schemes[] = {
    {"http://", "parent_http", "3128"},
    {"https://", "parent_https", "443"},
    {"socks5://", "parent_socks5", "1080"},
};

/// `scheme://[user@]host[:port][/]`: takes it apart and leaves HOST:PORT.
static std::string read_parent(BackendSpec& spec, std::string_view url) {
  for (const Scheme& scheme : schemes) {
    if (!url.starts_with(scheme.prefix)) continue;
    spec.role = scheme.role;
    spec.tls = scheme.role == "parent_https";
    std::string_view rest = url.substr(scheme.prefix.size());
    if (rest.ends_with('/')) rest.remove_suffix(1);
    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
      const std::string_view user = rest.substr(0, at);
      if (user.empty() || user.find(':') != std::string_view::npos)
        throw Error(ErrorKind::usage, "parent: only the user's name stands in the URL")
            .with_hint("write the password into a file that only you can read: " +
                       std::string{scheme.prefix} + "USER@HOST:PORT,password_file=PATH");
      spec.user_name = user;
      rest.remove_prefix(at + 1);
    }
    const bool has_port = rest.rfind(':') != std::string_view::npos && !rest.ends_with(']');
    return std::string{rest} + (has_port ? "" : ":" + std::string{scheme.port});
  }
  throw Error(ErrorKind::usage,
              "parent: http://, https:// or socks5:// and HOST:PORT, not '" + std::string{url} + "'")
      .about(std::string{url});
}

BackendSpec parse_backend(std::string_view text) {
  const std::vector<std::string> parts = split(text, ',');
  BackendSpec spec;
  const bool is_parent = parts[0].find("://") != std::string::npos;
  const auto target = HostPort::parse(is_parent ? read_parent(spec, parts[0]) : parts[0]);
  if (!target)
    throw Error(ErrorKind::usage,
                "backend: HOST:PORT such as 10.0.0.1:80 or db.internal:5432, not '" + parts[0] + "'")
        .about(parts[0]);
  spec.address = to_lower(target->to_string());
  for (std::size_t i = 1; i < parts.size(); ++i) read_part(spec, parts[i]);
  if (spec.password_path && !spec.user_name)
    throw Error(ErrorKind::usage, "backend password_file: belongs to the user of a parent proxy")
        .with_hint("socks5://USER@HOST:PORT,password_file=PATH");
  const bool has_tls_part = spec.tls_server_name || spec.tls_ca_path || spec.tls_verify != "full";
  if (has_tls_part && !spec.tls)
    throw Error(ErrorKind::usage, "backend sni, verify and ca: of use with tls only").with_hint("add ,tls");
  return spec;
}

std::string backend_text(const Backend& b) {
  std::string text = b.address;
  for (const Scheme& scheme : schemes)
    if (scheme.role == b.role)
      text = std::string{scheme.prefix} + (b.user_name ? *b.user_name + "@" : "") + b.address;
  if (b.weight != 1) text += ",weight=" + std::to_string(b.weight);
  if (b.backup) text += ",backup";
  if (b.max_connections != 0) text += ",max=" + std::to_string(b.max_connections);
  if (b.tls && b.role == "origin") text += ",tls";
  if (b.tls_server_name) text += ",sni=" + *b.tls_server_name;
  if (b.tls && b.tls_verify != "full") text += ",verify=" + b.tls_verify;
  if (b.tls_ca_path) text += ",ca=" + *b.tls_ca_path;
  if (b.password_path) text += ",password_file=" + *b.password_path;
  return text;
}

Backend add_backend(Database& db, std::string_view server_id, const BackendSpec& spec) {
  auto exists =
      db.query("SELECT 1 FROM backend WHERE server_id = ? AND address = ?", server_id, spec.address);
  if (exists.step())
    throw Error(ErrorKind::conflict, "the server already has a backend '" + spec.address + "'")
        .about(spec.address);
  const std::string id = new_id();
  db.exec(
      "INSERT INTO backend (id, tenant_id, server_id, address, position, weight, backup, max_connections, "
      "role, "
      "tls, tls_verify, tls_server_name, tls_ca_path, user_name, password_path) "
      "SELECT ?1, tenant_id, id, ?2, (SELECT coalesce(max(position), 0) + 1 FROM backend WHERE server_id = "
      "server.id), "
      "?3, ?4, ?5, ?7, ?8, ?9, ?10, ?11, ?12, ?13 FROM server WHERE id = ?6",
      id, spec.address, spec.weight, spec.backup, spec.max_connections, server_id, spec.role, spec.tls,
      spec.tls_verify, spec.tls_server_name, spec.tls_ca_path, spec.user_name, spec.password_path);
  auto st = select_backends(db, std::nullopt, id);
  if (!st.step()) throw Error(ErrorKind::not_found, "no server of id '" + std::string{server_id} + "'");
  return read_backend(st);
}

std::vector<Backend> list_backends(Database& db, std::string_view server_id) {
  std::vector<Backend> out;
  auto st = select_backends(db, server_id, std::nullopt);
  while (st.step()) out.push_back(read_backend(st));
  return out;
}

Backend get_backend(Database& db, std::string_view server_id, std::string_view reference) {
  std::vector<std::string> addresses;
  for (Backend& backend : list_backends(db, server_id)) {
    if (backend.address == reference || backend.id == reference) return std::move(backend);
    addresses.push_back(backend.address);
  }
  throw Error(ErrorKind::not_found, "the server has no backend '" + std::string{reference} + "'")
      .about(std::string{reference})
      .suggest(nearest_word(reference, addresses).value_or(""));
}

Backend set_backend(Database& db, std::string_view id, const std::vector<Assignment>& assignments) {
  assign(db, backend_assign_table(), id, assignments);
  auto st = select_backends(db, std::nullopt, id);
  st.step();
  return read_backend(st);
}

void remove_backend(Database& db, std::string_view id) {
  auto st = db.query(
      "SELECT 1 FROM backend b JOIN server s ON s.id = b.server_id JOIN server_type t ON t.name = s.type "
      "WHERE b.id = ? AND t.needs_backend AND (SELECT count(*) FROM backend WHERE server_id = s.id) = 1",
      id);
  if (st.step())
    throw Error(ErrorKind::conflict, "it is the last backend of a server that needs one")
        .with_hint("add another backend first, or remove the server");
  db.exec("DELETE FROM backend WHERE id = ?", id);
}

}  // namespace arcus::registry
