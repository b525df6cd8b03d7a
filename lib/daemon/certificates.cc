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

/// Certificates alone: a worker must never get the key that signs others.
static std::string read_authorities(const std::string& path, const std::string& what) {
  std::string text = read_file(path, what, Secret::no);
  if (text.find("PRIVATE KEY-----") != text.npos)
    throw bad(what + " \"" + path + "\" has a private key in it: give the certificates alone")
        .with_hint("arcusctl cert show NAME --pem");
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

wire::CertificateConfig read_certificate_files(const CertificateFiles& files) {
  const std::string& path = files.cert_path;
  wire::CertificateConfig config{.name = path};
  if (files.key_path.empty() || files.key_path == path) {
    config.cert_pem = read_file(path, "the certificate and key", Secret::with_key);
    config.key_pem = config.cert_pem;
  } else {
    config.cert_pem = read_file(path, "the certificate", Secret::no);
    config.key_pem = read_file(files.key_path, "the key", Secret::yes);
  }
  if (!files.chain_path.empty()) config.cert_pem += "\n" + read_authorities(files.chain_path, "the chain");
  return config;
}

LoadedCertificate load_certificate(const CertificateFiles& files, WallTime now) {
  wire::CertificateConfig config = read_certificate_files(files);
  CertificateFacts facts = check_certificate({files.cert_path, config.cert_pem, config.key_pem}, now);
  return {std::move(config), std::move(facts)};
}

std::vector<LoadedCertificate> load_certificates(const CertificateFiles& files, WallTime now) {
  std::error_code ignored;
  if (!fs::is_directory(files.cert_path, ignored)) return {load_certificate(files, now)};
  if (!files.key_path.empty())
    throw bad("\"" + files.cert_path +
              "\" is a folder: each of its files holds its own key, so there is no key file");
  std::vector<LoadedCertificate> all;
  for (const std::string& path : bundles_in(files.cert_path))
    all.push_back(load_certificate({.cert_path = path, .key_path = {}, .chain_path = {}}, now));
  if (all.empty()) throw bad("there is no file *.pem in \"" + files.cert_path + "\"");
  return all;
}

registry::CertFacts cert_facts(const CertificateFacts& facts) {
  return {.subject = facts.subject,
          .issuer = facts.issuer,
          .sans = facts.names,
          .not_before = to_text(facts.not_before),
          .not_after = to_text(facts.not_after),
          .key_type = facts.key_type,
          .fingerprint_sha256 = facts.fingerprint};
}

CertificateFiles files_of(const registry::Cert& cert) {
  return {.cert_path = cert.cert_path,
          .key_path = cert.key_path.value_or(""),
          .chain_path = cert.chain_path.value_or("")};
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
    if (text.empty()) text = read_authorities(path, "the file of authorities");
  }
}

void Certificates::fill(const registry::DesiredServer& desired, wire::ServerConfig& config) {
  const registry::Server& row = desired.server;
  Entry& entry = entries_[row.id];
  entry.files.clear();
  fill_backends(desired, config, entry);
  if (!row.tls_cert_path && desired.certs.empty()) return;
  config.tls.enabled = true;
  if (row.client_ca_path) {
    watch(entry, *row.client_ca_path);
    config.tls.client_ca_pem = read_authorities(*row.client_ca_path, "the file of authorities");
  }
  if (is_key_due(entry)) renew_keys(entry);  // first: what is due is not due again when a file is bad
  fill_certificates(desired, config, entry);
  config.tls.ticket_keys = entry.ticket_keys;
}

/// From the files of the row, or of the certificates it names.
void Certificates::fill_certificates(const registry::DesiredServer& desired, wire::ServerConfig& config,
                                     Entry& entry) {
  const registry::Server& row = desired.server;
  std::vector<CertificateFiles> sources;
  for (const registry::Cert& cert : desired.certs) sources.push_back(files_of(cert));
  if (sources.empty())
    sources.push_back({.cert_path = row.tls_cert_path.value_or(""),
                       .key_path = row.tls_key_path.value_or(""),
                       .chain_path = {}});
  for (const CertificateFiles& files : sources)  // first all of them: one that is bad may come right
    for (const std::string* path : {&files.cert_path, &files.key_path, &files.chain_path})
      if (!path->empty()) watch(entry, *path);
  const WallTime now = wall_now();
  std::vector<LoadedCertificate> loaded;
  for (const CertificateFiles& files : sources)
    for (LoadedCertificate& one :
         desired.certs.empty() ? load_certificates(files, now) : std::vector{load_certificate(files, now)})
      loaded.push_back(std::move(one));
  for (const LoadedCertificate& one : loaded)
    if (one.facts.only_signs)
      throw bad("certificate \"" + one.config.name +
                "\" is an authority: it signs others and is shown by nobody");
  for (std::size_t i = 0; i < desired.certs.size(); ++i)
    news_.insert_or_assign(desired.certs[i].id, cert_facts(loaded[i].facts));  // the row may say so already
  entry.expiry = WallTime::max();
  for (const LoadedCertificate& one : loaded) entry.expiry = std::min(*entry.expiry, one.facts.not_after);
  for (LoadedCertificate& one : loaded) config.tls.certificates.push_back(std::move(one.config));
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
  std::map<std::string, Stamp> now;  // many servers may share a file
  for (auto& [id, entry] : entries_) {
    bool is_other = false;
    for (auto& [path, stamp] : entry.files) {
      const auto [known, is_new] = now.try_emplace(path);
      if (is_new) known->second = stamp_of(path);
      is_other = is_other || known->second != stamp;
      stamp = known->second;  // told once
    }
    if (is_other || (!entry.ticket_keys.empty() && is_key_due(entry))) out.push_back(id);
  }
  return out;
}

std::optional<WallTime> Certificates::expiry(const std::string& server_id) const {
  const auto found = entries_.find(server_id);
  return found == entries_.end() ? std::nullopt : found->second.expiry;
}

}  // namespace arcus::daemon
