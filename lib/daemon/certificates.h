#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "lib/registry/certs.h"
#include "lib/registry/desired.h"
#include "lib/tls/certificate.h"
#include "lib/wire/config.h"

namespace arcus::daemon {

/// Where a certificate comes from.
struct CertificateFiles {
  std::string cert_path;   ///< PEM, the leaf first; for load_certificates() also a folder
  std::string key_path;    ///< empty = in cert_path
  std::string chain_path;  ///< what belongs behind cert_path; empty = nothing
};

/// A certificate with its key, and what it says of itself.
struct LoadedCertificate {
  wire::CertificateConfig config;
  CertificateFacts facts;
};

/// The texts of the files, which may be no good certificate. Throws Error as below.
wire::CertificateConfig read_certificate_files(const CertificateFiles& files);
/// Reads one certificate. Throws Error with a sentence: a file that cannot be read, a key that others may
/// read, and all that check_certificate() finds wrong at `now`.
LoadedCertificate load_certificate(const CertificateFiles& files, WallTime now);
/// The same, or all of a folder of PEM files that each hold a chain and its key, in the order of their names.
std::vector<LoadedCertificate> load_certificates(const CertificateFiles& files, WallTime now);

/// As the registry keeps them.
registry::CertFacts cert_facts(const CertificateFacts& facts);
CertificateFiles files_of(const registry::Cert& cert);

/// What servers need of files and of the daemon's memory for TLS, and when that changes: certificates, keys,
/// authorities, passwords of parent proxies, ticket keys.
class Certificates {
 public:
  /// `rotation`: how long a server makes tickets with one key; they are accepted as long again.
  explicit Certificates(std::chrono::milliseconds rotation = std::chrono::hours{12}) : rotation_{rotation} {}

  /// Reads what `desired` names into `config`. Throws Error with a sentence.
  void fill(const registry::DesiredServer& desired, wire::ServerConfig& config);
  /// Servers of which a file is another since fill() read it or this was asked, or whose ticket key is due.
  std::vector<std::string> changed();
  /// When the first of its certificates ends; nothing when it has none.
  std::optional<WallTime> expiry(const std::string& server_id) const;
  void forget(const std::string& server_id) { entries_.erase(server_id); }
  /// What rows of `cert` should say by now, by id: their files were read. They may say so already.
  const std::map<std::string, registry::CertFacts>& news() const noexcept { return news_; }
  void clear_news() noexcept { news_.clear(); }

 private:
  struct Stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t modified_ns = 0;
    std::int64_t size = -1;  ///< -1 = not there
    bool operator==(const Stamp&) const = default;
  };
  struct Entry {
    std::map<std::string, Stamp> files;
    std::vector<std::string> ticket_keys;
    std::chrono::steady_clock::time_point made_at;  ///< the first of them
    std::optional<WallTime> expiry;
  };

  static Stamp stamp_of(const std::string& path);
  static void watch(Entry& entry, const std::string& path);
  void fill_certificates(const registry::DesiredServer& desired, wire::ServerConfig& config, Entry& entry);
  bool is_key_due(const Entry& entry) const;
  static void renew_keys(Entry& entry);
  static void fill_backends(const registry::DesiredServer& desired, wire::ServerConfig& config, Entry& entry);

  std::chrono::milliseconds rotation_;
  std::map<std::string, Entry> entries_;  ///< by server
  std::map<std::string, registry::CertFacts> news_;
};

}  // namespace arcus::daemon
