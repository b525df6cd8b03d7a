#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "lib/registry/desired.h"
#include "lib/wire/config.h"

namespace arcus::daemon {

/// The certificates that `cert_path` names: a PEM file whose key is in `key_path` (empty = in the same file),
/// or a folder of PEM files that each hold a chain and its key. In the order of their names. Throws Error
/// with a sentence: a file that cannot be read, a key that others may read, and all that check_certificate
/// finds wrong at `now`. `expiry` becomes the earliest end of their validity.
std::vector<wire::CertificateConfig> load_certificates(const std::string& cert_path,
                                                       const std::string& key_path, WallTime now,
                                                       WallTime& expiry);

/// What servers need of files and of the daemon's memory for TLS, and when that changes: certificates, keys,
/// authorities, passwords of parent proxies, ticket keys.
class Certificates {
 public:
  /// `rotation`: how long a server makes tickets with one key; they are accepted as long again.
  explicit Certificates(std::chrono::milliseconds rotation = std::chrono::hours{12}) : rotation_{rotation} {}

  /// Reads what `desired` names into `config`. Throws Error with a sentence.
  void fill(const registry::DesiredServer& desired, wire::ServerConfig& config);
  /// Servers of which a file is another since fill() read it, or whose ticket key is due.
  std::vector<std::string> changed();
  /// When the first of its certificates ends; nothing when it has none.
  std::optional<WallTime> expiry(const std::string& server_id) const;
  void forget(const std::string& server_id) { entries_.erase(server_id); }

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
  bool is_key_due(const Entry& entry) const;
  static void renew_keys(Entry& entry);
  static void fill_backends(const registry::DesiredServer& desired, wire::ServerConfig& config, Entry& entry);

  std::chrono::milliseconds rotation_;
  std::map<std::string, Entry> entries_;  ///< by server
};

}  // namespace arcus::daemon
