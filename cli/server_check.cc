#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>

#include "cli/server.h"
#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/base/unique_fd.h"
#include "lib/daemon/certificates.h"
#include "lib/db/database.h"
#include "lib/registry/backends.h"
#include "lib/registry/rules.h"

namespace arcus::cli::server {

namespace {

constexpr Column finding_columns[] = {{"server", "SERVER"},
                                      {"state", "STATE", Show::table, Unit::status},
                                      {"check", "CHECK"},
                                      {"finding", "FINDING", Show::table, Unit::prose}};

/// What was looked at and how it stands, one line each.
class Findings {
 public:
  explicit Findings(std::string server) : server_(std::move(server)) {}

  void ok(std::string_view check, std::string_view finding) { add("ok", check, finding); }
  void warning(std::string_view check, std::string_view finding) { add("warning", check, finding); }
  void error(std::string_view check, std::string_view finding) {
    failed_ = true;
    add("error", check, finding);
  }
  [[nodiscard]] bool failed() const { return failed_; }
  void write(Table& table) const {
    for (const auto& row : rows_) table.add(server_, row[0], row[1], row[2]);
  }

 private:
  void add(std::string_view state, std::string_view check, std::string_view finding) {
    rows_.push_back({std::string{state}, std::string{check}, std::string{finding}});
  }

  std::string server_;
  std::vector<std::array<std::string, 3>> rows_;
  bool failed_ = false;
};

void check_schema(Context& context, const registry::Server& server, Findings& findings) {
  const auto problems =
      registry::check_server(server, registry::surroundings(context.db(), server), context.catalog());
  for (const std::string& problem : problems) findings.error("columns", problem);
  if (problems.empty()) findings.ok("columns", "every value is allowed");
}

/// The certificates and keys as the daemon would read them, which may be another user.
void check_certificates(Context& context, const registry::Server& server, Findings& findings) {
  std::vector<daemon::CertificateFiles> sources;
  for (const registry::Cert& cert : registry::certs_of(context.db(), server))
    sources.push_back(daemon::files_of(cert));
  if (server.tls_cert_path)
    sources.push_back(
        {.cert_path = *server.tls_cert_path, .key_path = server.tls_key_path.value_or(""), .chain_path = {}});
  if (sources.empty()) return;
  try {
    std::vector<daemon::LoadedCertificate> all;
    for (const auto& files : sources)
      for (auto& one : daemon::load_certificates(files, wall_now())) all.push_back(std::move(one));
    const WallTime end = std::ranges::min_element(all, {}, [](const auto& one) {
                           return one.facts.not_after;
                         })->facts.not_after;
    const std::string text = std::to_string(all.size()) +
                             (all.size() == 1 ? " certificate" : " certificates") +
                             " with a key, valid until " + to_text(end).substr(0, 10);
    if (end - wall_now() < std::chrono::hours{30 * 24})
      findings.warning("certificate", text);
    else
      findings.ok("certificate", text);
  } catch (const Error& error) {
    findings.error("certificate", error.what());
  }
}

/// Binds and closes: the same question the daemon will ask.
void check_port(Context& context, const registry::Server& server, Findings& findings) {
  const registry::ServerState state = registry::server_state(context.db(), server.id);
  if (context.daemon_runs() && state.bound_port == server.listen_port && state.status == "running")
    return findings.ok("port", "it is listening now");
  const auto address = IpAddress::parse(server.listen_addr);
  if (!address) return findings.error("port", "'" + server.listen_addr + "' is no address");
  const Endpoint endpoint{*address, static_cast<std::uint16_t>(server.listen_port)};
  const UniqueFd fd{::socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  const socklen_t length = endpoint.to(storage);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0)
    return findings.ok("port", endpoint.to_string() + " is free");
  findings.error("port", "cannot listen on " + endpoint.to_string() + ": " + errno_text(errno));
}

void check_backend(const registry::Backend& backend, Findings& findings) {
  const auto address = HostPort::parse(backend.address);
  if (!address) return findings.error("backend", "'" + backend.address + "' is no HOST:PORT");
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(address->host.c_str(), nullptr, nullptr, &found);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner{found, &::freeaddrinfo};
  if (code == 0)
    findings.ok("backend", backend.address + " resolves");
  else
    findings.error("backend", backend.address + ": " + ::gai_strerror(code));
}

}  // namespace

int run_check(Context& context, const Args& args) {
  Table table{finding_columns};
  bool failed = false;
  for (const registry::Server& server : find_targets(context, args, false)) {
    Findings findings{server.reference()};
    const auto backends = registry::list_backends(context.db(), server.id);
    check_schema(context, server, findings);
    check_certificates(context, server, findings);
    check_port(context, server, findings);
    for (const registry::Backend& backend : backends) check_backend(backend, findings);
    findings.write(table);
    failed |= findings.failed();
  }
  context.out().list(table);
  return failed ? exit_code::failed : exit_code::ok;
}

}  // namespace arcus::cli::server
