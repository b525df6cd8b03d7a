#include <sys/stat.h>
#include <sys/xattr.h>

#include <charconv>
#include <chrono>
#include <fstream>
#include <set>
#include <sstream>

#include "cli/doctor_checks.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/daemon/certificates.h"
#include "lib/registry/certs.h"

namespace arcus::cli::doctor {

namespace {

constexpr std::chrono::days soon{30};

/// One certificate that servers show, by name or by path.
struct Shown {
  std::string what;  ///< for people
  daemon::CertificateFiles files;
  std::string fingerprint;  ///< as read last; empty = nobody keeps it
  std::string reload;       ///< the command that reads it again
};

std::vector<Shown> shown_certificates(const Patient& patient) {
  std::vector<Shown> all;
  std::set<std::string> seen;
  for (const registry::Server& server : patient.servers) {
    if (!server.enable_tls) continue;
    if (server.tls_cert_path)
      all.push_back({.what = server.reference(),
                     .files = {.cert_path = *server.tls_cert_path,
                               .key_path = server.tls_key_path.value_or(""),
                               .chain_path = {}},
                     .fingerprint = {},
                     .reload = "arcusctl server check " + server.reference()});
    if (!server.cert) continue;
    for (const std::string& name : split(*server.cert, ',')) {
      const auto row = registry::find_cert(*patient.db, server.tenant_id, name);
      if (!row || !seen.insert(row->id).second) continue;
      const std::string reference =
          server.reference().substr(0, server.reference().find('/') + 1) + row->name;
      all.push_back({.what = "certificate " + reference,
                     .files = daemon::files_of(*row),
                     .fingerprint = row->facts.fingerprint_sha256,
                     .reload = "arcusctl cert reload " + reference});
    }
  }
  return all;
}

/// Those that can be used, with what they say; `failed` is called with the others.
template <typename Failed>
std::vector<std::pair<Shown, CertificateFacts>> load(const Patient& patient, Failed failed) {
  std::vector<std::pair<Shown, CertificateFacts>> out;
  for (const Shown& one : shown_certificates(patient)) try {
      for (const auto& loaded : daemon::load_certificates(one.files, wall_now()))
        out.emplace_back(one, loaded.facts);
    } catch (const Error& error) {
      failed(one, error);
    }
  return out;
}

constexpr auto pass_over = [](const Shown&, const Error&) {};

/// Who the daemon is to the file system.
struct Account {
  uid_t uid = 0;
  std::set<gid_t> groups;
};

std::optional<Account> account_of(pid_t pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  Account account;
  std::string line;
  while (std::getline(status, line)) {
    std::istringstream words{line};
    std::string key;
    words >> key;
    std::uint64_t number = 0;
    std::vector<std::uint64_t> numbers;
    while (words >> number) numbers.push_back(number);
    if (key == "Uid:" && numbers.size() == 4) account.uid = static_cast<uid_t>(numbers[3]);
    if ((key == "Gid:" && numbers.size() == 4) || key == "Groups:")
      for (const std::uint64_t group : numbers) account.groups.insert(static_cast<gid_t>(group));
  }
  return account.groups.empty() ? std::nullopt : std::optional{account};
}

/// True when mode and owner let `account` read the file. What cannot be looked at is not judged here.
bool may_read(const Account& account, const std::string& path) {
  struct stat file {};
  if (account.uid == 0 || path.empty() || ::stat(path.c_str(), &file) != 0) return true;
  if (::getxattr(path.c_str(), "system.posix_acl_access", nullptr, 0) > 0) return true;
  if (file.st_uid == account.uid) return (file.st_mode & S_IRUSR) != 0;
  if (account.groups.contains(file.st_gid)) return (file.st_mode & S_IRGRP) != 0;
  return (file.st_mode & S_IROTH) != 0;
}

}  // namespace

Findings look_at_certificate_files(const Patient& patient) {
  Findings found;
  const auto good = load(patient, [&found](const Shown& one, const Error& error) {
    found.push_back({State::error, one.what + ": " + error.what(), one.reload});
  });
  for (const auto& [one, facts] : good)
    if (!one.fingerprint.empty() && facts.fingerprint != one.fingerprint && !patient.holder)
      found.push_back(
          {State::warn, one.what + ": the file has another certificate than was read last", one.reload});
  const auto daemon = patient.holder ? account_of(patient.holder->pid) : std::nullopt;
  for (const Shown& one : shown_certificates(patient))
    for (const std::string& path : {one.files.cert_path, one.files.key_path, one.files.chain_path})
      if (daemon && !may_read(*daemon, path))
        found.push_back(
            {State::error,
             one.what + ": the daemon (uid " + std::to_string(daemon->uid) + ") may not read " + path,
             "chgrp and chmod g+r, or setfacl -m u:" + std::to_string(daemon->uid) + ":r " + path});
  if (found.empty() && !good.empty())
    found.push_back({State::ok, std::to_string(good.size()) +
                                    (good.size() == 1 ? " certificate" : " certificates") +
                                    " with their keys can be used"});
  return found;
}

Findings look_at_certificate_ends(const Patient& patient) {
  Findings found;
  const auto good = load(patient, pass_over);
  for (const auto& [one, facts] : good) {
    const auto left = std::chrono::floor<std::chrono::days>(facts.not_after - wall_now());
    if (left >= soon) continue;
    found.push_back({State::warn,
                     one.what + " expires in " + std::to_string(left.count()) +
                         (left.count() == 1 ? " day" : " days") + ", on " +
                         to_text(facts.not_after).substr(0, 10),
                     one.reload});
  }
  if (found.empty() && !good.empty())
    found.push_back({State::ok, "none expires within " + std::to_string(soon.count()) + " days"});
  return found;
}

Findings look_at_certificate_names(const Patient& patient) {
  Findings found;
  const auto good = load(patient, pass_over);
  for (const auto& [one, facts] : good)
    if (!facts.has_names)
      found.push_back(
          {State::warn,
           one.what + " has no subject alternative name: today's clients look at no other (RFC 9110, 4.3.4)",
           "arcusctl cert generate --help"});
  if (found.empty() && !good.empty()) found.push_back({State::ok, "all name their hosts"});
  return found;
}

}  // namespace arcus::cli::doctor
