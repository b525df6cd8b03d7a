#include "lib/registry/backends.h"

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/base/units.h"
#include "lib/registry/assign.h"

namespace arcus::registry {

static Backend read_backend(const Statement& st) {
  auto [id, tenant_id, server_id, address, weight, backup, max_connections, admin_state, state] =
      st.row<std::string, std::string, std::string, std::string, std::int64_t, bool, std::int64_t,
             std::string, std::string>();
  return {.id = std::move(id),
          .tenant_id = std::move(tenant_id),
          .server_id = std::move(server_id),
          .address = std::move(address),
          .weight = weight,
          .backup = backup,
          .max_connections = max_connections,
          .admin_state = std::move(admin_state),
          .state = std::move(state)};
}

static Statement select_backends(Database& db, std::optional<std::string_view> server_id,
                                 std::optional<std::string_view> id) {
  return db.query(
      "SELECT b.id, b.tenant_id, b.server_id, b.address, b.weight, b.backup, b.max_connections, "
      "b.admin_state, "
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

BackendSpec parse_backend(std::string_view text) {
  const std::vector<std::string> parts = split(text, ',');
  const auto target = HostPort::parse(parts[0]);
  if (!target)
    throw Error(ErrorKind::usage,
                "backend: HOST:PORT such as 10.0.0.1:80 or db.internal:5432, not '" + parts[0] + "'")
        .about(parts[0]);
  BackendSpec spec{.address = to_lower(target->to_string())};
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::string& part = parts[i];
    if (part == "backup")
      spec.backup = true;
    else if (part.starts_with("weight="))
      spec.weight = number_after(part, "weight=", 1, 256);
    else if (part.starts_with("max="))
      spec.max_connections = number_after(part, "max=", 0, 4'294'967'295);
    else
      throw Error(ErrorKind::usage, "backend: unknown part '" + part + "', one of weight=N backup max=N");
  }
  return spec;
}

Backend add_backend(Database& db, std::string_view server_id, const BackendSpec& spec) {
  auto exists =
      db.query("SELECT 1 FROM backend WHERE server_id = ? AND address = ?", server_id, spec.address);
  if (exists.step())
    throw Error(ErrorKind::conflict, "the server already has a backend '" + spec.address + "'")
        .about(spec.address);
  const std::string id = new_id();
  db.exec(
      "INSERT INTO backend (id, tenant_id, server_id, address, position, weight, backup, max_connections) "
      "SELECT ?1, tenant_id, id, ?2, (SELECT coalesce(max(position), 0) + 1 FROM backend WHERE server_id = "
      "server.id), "
      "?3, ?4, ?5 FROM server WHERE id = ?6",
      id, spec.address, spec.weight, spec.backup, spec.max_connections, server_id);
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
