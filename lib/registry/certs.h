#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"
#include "lib/registry/servers.h"

namespace arcus::registry {

/// What a certificate said of itself when its file was read.
struct CertFacts {
  std::string subject;
  std::string issuer;
  std::vector<std::string> sans;  ///< DNS names and addresses it is good for
  std::string not_before;         ///< as the registry writes times
  std::string not_after;
  std::string key_type;            ///< "EC P-256"
  std::string fingerprint_sha256;  ///< hex; empty = never read
  bool operator==(const CertFacts&) const = default;
};

/// A row of `cert`: where a certificate and its key lie. Servers of the tenant name it in column `cert`.
struct Cert {
  std::string id;
  std::string tenant_id;
  std::string name;
  std::string cert_path;                ///< absolute, as all paths here
  std::optional<std::string> key_path;  ///< nothing: the key is in cert_path
  std::optional<std::string> chain_path;
  std::string description;
  CertFacts facts;
  std::int64_t generation = 1;
};

/// Adds a certificate (id, tenant_id and generation of `cert` are ignored); returns the row made. Throws
/// Error: usage for a bad name, conflict for a taken one.
Cert add_cert(Database& db, std::string_view tenant_id, const Cert& cert);
/// By name.
std::vector<Cert> list_certs(Database& db, std::string_view tenant_id);
/// By name or whole id; nothing when there is none.
std::optional<Cert> find_cert(Database& db, std::string_view tenant_id, std::string_view reference);
/// By name or whole id. Throws Error (not_found) with the nearest name.
Cert get_cert(Database& db, std::string_view tenant_id, std::string_view reference);
/// Changes paths, description and facts to those of `cert`, in one audit row; what is there already is left
/// alone.
void set_cert(Database& db, const Cert& cert);
/// The file was read: keeps what it says now. Writes nothing when the row says the same.
void put_cert_facts(Database& db, std::string_view id, const CertFacts& facts);
/// Throws Error (conflict) while servers show it.
void remove_cert(Database& db, const Cert& cert);

/// The servers that show the certificate.
std::vector<Server> servers_showing(Database& db, const Cert& cert);
/// They shall read their files again, whatever the row says: their generation is another one.
void touch_servers_showing(Database& db, const Cert& cert);

/// The rows that `server.cert` names, in its order; without names that are not there.
std::vector<Cert> certs_of(Database& db, const Server& server);

}  // namespace arcus::registry
