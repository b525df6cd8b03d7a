#include "lib/registry/certs.h"

#include <nlohmann/json.hpp>

#include "lib/base/error.h"
#include "lib/base/id.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

namespace arcus::registry {

using SansJson = nlohmann::json;

static std::vector<std::string> read_sans(const std::string& json) {
  std::vector<std::string> out;
  const SansJson array = SansJson::parse(json, nullptr, false);
  if (!array.is_array()) return out;
  for (const SansJson& name : array)
    if (name.is_string()) out.push_back(name.get<std::string>());
  return out;
}

static std::string write_sans(const std::vector<std::string>& sans) {
  return SansJson(sans).dump(-1, ' ', false, SansJson::error_handler_t::replace);
}

static Cert read_cert(const Statement& st) {
  Cert out;
  int i = 0;
  const auto text = [&](std::string& into) {
    into = st.column<std::optional<std::string>>(i++).value_or("");
  };
  const auto optional = [&](std::optional<std::string>& into) {
    into = st.column<std::optional<std::string>>(i++);
  };
  std::string sans;
  text(out.id), text(out.tenant_id), text(out.name), text(out.cert_path), optional(out.key_path);
  optional(out.chain_path), text(out.description), text(out.facts.subject), text(out.facts.issuer);
  text(sans), text(out.facts.not_before), text(out.facts.not_after), text(out.facts.key_type);
  text(out.facts.fingerprint_sha256);
  out.generation = st.integer(i);
  out.facts.sans = read_sans(sans);
  return out;
}

/// All of a tenant, or the one of that name or id: a name that looks like an id wins over the id.
static Statement select_certs(Database& db, std::string_view tenant_id,
                              std::optional<std::string_view> reference) {
  return db.query(
      "SELECT id, tenant_id, name, cert_path, key_path, chain_path, description, subject, issuer, sans, "
      "not_before, not_after, key_type, fingerprint_sha256, generation FROM cert "
      "WHERE tenant_id = ?1 AND (?2 IS NULL OR name = ?2 OR id = ?2) ORDER BY name IS ?2 DESC, name",
      tenant_id, reference);
}

std::vector<Cert> list_certs(Database& db, std::string_view tenant_id) {
  std::vector<Cert> out;
  auto st = select_certs(db, tenant_id, std::nullopt);
  while (st.step()) out.push_back(read_cert(st));
  return out;
}

std::optional<Cert> find_cert(Database& db, std::string_view tenant_id, std::string_view reference) {
  auto st = select_certs(db, tenant_id, reference);
  if (!st.step()) return std::nullopt;
  return read_cert(st);
}

Cert get_cert(Database& db, std::string_view tenant_id, std::string_view reference) {
  if (auto found = find_cert(db, tenant_id, reference)) return *std::move(found);
  std::vector<std::string> names;
  for (const Cert& cert : list_certs(db, tenant_id)) names.push_back(cert.name);
  throw Error(ErrorKind::not_found, "no certificate '" + std::string{reference} + "'")
      .about(std::string{reference})
      .suggest(nearest_word(reference, names).value_or(""))
      .with_hint("arcusctl cert list");
}

Cert add_cert(Database& db, std::string_view tenant_id, const Cert& cert) {
  if (!is_name(cert.name))
    throw Error(ErrorKind::usage,
                "cert.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit, not '" + cert.name + "'")
        .about(cert.name);
  auto taken = db.query("SELECT 1 FROM cert WHERE tenant_id = ? AND name = ?", tenant_id, cert.name);
  if (taken.step())
    throw Error(ErrorKind::conflict, "this tenant already has a certificate '" + cert.name + "'")
        .about(cert.name)
        .with_hint("arcusctl cert set " + cert.name + " cert_path=PATH key_path=PATH");
  const std::string id = new_id();
  const CertFacts& facts = cert.facts;
  db.exec(
      "INSERT INTO cert (id, tenant_id, name, cert_path, key_path, chain_path, description, subject, issuer, "
      "sans, not_before, not_after, key_type, fingerprint_sha256, read_at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id, tenant_id, cert.name, cert.cert_path, cert.key_path, cert.chain_path, cert.description,
      facts.subject, facts.issuer, write_sans(facts.sans), facts.not_before, facts.not_after, facts.key_type,
      facts.fingerprint_sha256, now_text());
  return get_cert(db, tenant_id, id);
}

void set_cert(Database& db, const Cert& cert) {
  const CertFacts& facts = cert.facts;
  db.exec(
      "UPDATE cert SET cert_path = ?1, key_path = ?2, chain_path = ?3, description = ?4, subject = ?6, "
      "issuer = ?7, "
      "sans = ?8, not_before = ?9, not_after = ?10, key_type = ?11, fingerprint_sha256 = ?12, read_at = ?13 "
      "WHERE id = ?5 AND (cert_path <> ?1 OR key_path IS NOT ?2 OR chain_path IS NOT ?3 OR description <> ?4 "
      "OR fingerprint_sha256 IS NOT ?12)",
      cert.cert_path, cert.key_path, cert.chain_path, cert.description, cert.id, facts.subject, facts.issuer,
      write_sans(facts.sans), facts.not_before, facts.not_after, facts.key_type, facts.fingerprint_sha256,
      now_text());
}

void put_cert_facts(Database& db, std::string_view id, const CertFacts& facts) {
  db.exec(
      "UPDATE cert SET subject = ?1, issuer = ?2, sans = ?3, not_before = ?4, not_after = ?5, key_type = ?6, "
      "fingerprint_sha256 = ?7, read_at = ?8 WHERE id = ?9 AND fingerprint_sha256 IS NOT ?7",
      facts.subject, facts.issuer, write_sans(facts.sans), facts.not_before, facts.not_after, facts.key_type,
      facts.fingerprint_sha256, now_text(), id);
}

std::vector<Server> servers_showing(Database& db, const Cert& cert) {
  std::vector<Server> out;
  for (Server& server : list_servers(db, cert.tenant_id)) {
    if (!server.cert) continue;
    for (const std::string& name : split(*server.cert, ','))
      if (name == cert.name) {
        out.push_back(std::move(server));
        break;
      }
  }
  return out;
}

void touch_servers_showing(Database& db, const Cert& cert) {
  for (const Server& server : servers_showing(db, cert))
    db.exec("UPDATE server SET generation = generation + 1 WHERE id = ?", server.id);
}

void remove_cert(Database& db, const Cert& cert) {
  std::vector<std::string> names;
  for (const Server& server : servers_showing(db, cert)) names.push_back(server.reference());
  if (!names.empty())
    throw Error(ErrorKind::conflict, "certificate '" + cert.name + "' is shown by " + join(names, ", "))
        .about(cert.name)
        .with_hint("arcusctl server set " + names.front() + " cert=ANOTHER");
  db.exec("DELETE FROM cert WHERE id = ?", cert.id);
}

std::vector<Cert> certs_of(Database& db, const Server& server) {
  std::vector<Cert> out;
  if (!server.cert) return out;
  for (const std::string& name : split(*server.cert, ','))
    if (auto cert = find_cert(db, server.tenant_id, name)) out.push_back(*std::move(cert));
  return out;
}

}  // namespace arcus::registry
