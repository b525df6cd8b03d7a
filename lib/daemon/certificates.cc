#include "lib/daemon/certificates.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/unique_fd.h"
#include "lib/crypto/secret.h"
#include "lib/tls/certificate.h"

namespace arcus::daemon {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

static constexpr std::size_t most_bytes = 4 << 20;
static constexpr std::size_t ticket_key_size = 80;

static Error bad(const std::string& message) { return Error{ErrorKind::failed, message}; }

enum class Secret { no, yes, with_key };

/// The text of a regular file; one that is secret, or has a key in it, must be closed to others.
static std::string read_file(const std::string& path, const std::string& what, Secret secret) {
  const UniqueFd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file) throw bad(what + " \"" + path + "\" cannot be read: " + errno_text(errno));
  struct stat facts {};
  if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode))
    throw bad(what + " \"" + path + "\" is not a file");
  if (static_cast<std::size_t>(facts.st_size) > most_bytes)
    throw bad(what + " \"" + path + "\" has more than 4 MiB");
  std::string text(static_cast<std::size_t>(facts.st_size), '\0');
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  if (size < 0) throw bad(what + " \"" + path + "\" cannot be read: " + errno_text(errno));
  text.resize(static_cast<std::size_t>(size));
  const bool is_secret =
      secret == Secret::yes || (secret == Secret::with_key && text.find("PRIVATE KEY-----") != text.npos);
  if (is_secret && (facts.st_mode & S_IRWXO) != 0)
    throw bad(what + " \"" + path + "\" is open to every user of this host").with_hint("chmod o= " + path);
  return text;
}

/// The PEM files of a folder, by name; hidden ones and others are left out.
static std::vector<std::string> bundles_in(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code error;
  for (fs::directory_iterator it{folder, error}; !error && it != fs::directory_iterator{};
       it.increment(error))
    if (it->path().extension() == ".pem" && !it->path().filename().string().starts_with('.'))
      paths.push_back(it->path().string());
  if (error) throw bad("the folder \"" + folder + "\" cannot be read: " + to_lower(error.message()));
  std::ranges::sort(paths);
  return paths;
}

static wire::CertificateConfig load_one(const std::string& cert_path, const std::string& key_path,
                                        WallTime now, WallTime& expiry) {
  wire::CertificateConfig out{.name = cert_path};
  if (key_path.empty() || key_path == cert_path) {
    out.cert_pem = read_file(cert_path, "the certificate and key", Secret::with_key);
    out.key_pem = out.cert_pem;
  } else {
    out.cert_pem = read_file(cert_path, "the certificate", Secret::no);
    out.key_pem = read_file(key_path, "the key", Secret::yes);
  }
  const CertificateFacts facts = check_certificate({cert_path, out.cert_pem, out.key_pem}, now);
  expiry = std::min(expiry, facts.not_after);
  return out;
}

std::vector<wire::CertificateConfig> load_certificates(const std::string& cert_path,
                                                       const std::string& key_path, WallTime now,
                                                       WallTime& expiry) {
  expiry = WallTime::max();
  std::error_code ignored;
  if (!fs::is_directory(cert_path, ignored)) return {load_one(cert_path, key_path, now, expiry)};
  if (!key_path.empty())
    throw bad("\"" + cert_path +
              "\" is a folder: each of its files holds its own key, so there is no key file");
  std::vector<wire::CertificateConfig> all;
  for (const std::string& path : bundles_in(cert_path)) all.push_back(load_one(path, "", now, expiry));
  if (all.empty()) throw bad("there is no file *.pem in \"" + cert_path + "\"");
  return all;
}

Certificates::Stamp Certificates::stamp_of(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0) return {};
  return {.device = facts.st_dev,
          .inode = facts.st_ino,
          .modified_ns = facts.st_mtim.tv_sec * 1'000'000'000 + facts.st_mtim.tv_nsec,
          .size = facts.st_size};
}

/// Remembers how the file (or folder, with what is in it) looks now.
void Certificates::watch(Entry& entry, const std::string& path) {
  entry.files.emplace(path, stamp_of(path));
  std::error_code error;
  for (fs::directory_iterator it{path, error}; !error && it != fs::directory_iterator{}; it.increment(error))
    entry.files.emplace(it->path().string(), stamp_of(it->path().string()));
}

/// What host systems call their authorities.
static const std::string& system_authorities() {
  static constexpr std::array places{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                     "/etc/ssl/cert.pem"};
  static const std::string path = [] {
    for (const char* place : places)
      if (::access(place, R_OK) == 0) return std::string(place);
    return std::string(places[0]);
  }();
  return path;
}

void Certificates::fill_backends(const registry::DesiredServer& desired, wire::ServerConfig& config,
                                 Entry& entry) {
  for (std::size_t i = 0; i < desired.backends.size(); ++i) {
    const registry::Backend& row = desired.backends[i];
    wire::BackendConfig& backend = config.backends.at(i);
    if (row.password_path) {
      watch(entry, *row.password_path);
      std::string password = read_file(*row.password_path, "the password file", Secret::yes);
      while (password.ends_with('\n') || password.ends_with('\r')) password.pop_back();
      backend.password = std::move(password);
    }
    const bool verifies = (row.tls || row.role == "parent_https") && row.tls_verify != "none";
    if (!verifies) continue;
    const std::string path = row.tls_ca_path.value_or(system_authorities());
    watch(entry, path);
    std::string& text = row.tls_ca_path ? backend.tls_ca_pem : config.system_ca_pem;
    if (text.empty()) text = read_file(path, "the file of authorities", Secret::no);
  }
}

void Certificates::fill(const registry::DesiredServer& desired, wire::ServerConfig& config) {
  const registry::Server& row = desired.server;
  Entry& entry = entries_[row.id];
  entry.files.clear();
  fill_backends(desired, config, entry);
  if (!row.tls_cert_path) return;
  config.tls.enabled = true;
  watch(entry, *row.tls_cert_path);
  if (row.tls_key_path) watch(entry, *row.tls_key_path);
  if (row.client_ca_path) {
    watch(entry, *row.client_ca_path);
    config.tls.client_ca_pem = read_file(*row.client_ca_path, "the file of authorities", Secret::no);
  }
  WallTime expiry;
  config.tls.certificates =
      load_certificates(*row.tls_cert_path, row.tls_key_path.value_or(""), wall_now(), expiry);
  entry.expiry = expiry;
  if (is_key_due(entry)) renew_keys(entry);
  config.tls.ticket_keys = entry.ticket_keys;
}

bool Certificates::is_key_due(const Entry& entry) const {
  return entry.ticket_keys.empty() || steady_clock::now() - entry.made_at >= rotation_;
}

/// A new key to make tickets with; those of the last one are still accepted.
void Certificates::renew_keys(Entry& entry) {
  std::array<unsigned char, ticket_key_size> bytes{};
  fill_random(bytes);
  entry.ticket_keys.insert(entry.ticket_keys.begin(), to_hex(bytes));
  if (entry.ticket_keys.size() > 2) entry.ticket_keys.resize(2);
  entry.made_at = steady_clock::now();
}

std::vector<std::string> Certificates::changed() {
  std::vector<std::string> out;
  for (const auto& [id, entry] : entries_) {
    const bool is_other = std::ranges::any_of(
        entry.files, [](const auto& file) { return stamp_of(file.first) != file.second; });
    if (is_other || (!entry.ticket_keys.empty() && is_key_due(entry))) out.push_back(id);
  }
  return out;
}

std::optional<WallTime> Certificates::expiry(const std::string& server_id) const {
  const auto found = entries_.find(server_id);
  return found == entries_.end() ? std::nullopt : found->second.expiry;
}

}  // namespace arcus::daemon
