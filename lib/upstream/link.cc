#include "lib/upstream/link.h"

#include <functional>
#include <string_view>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus {

static void check_credentials(const BackendSpec& spec) {
  constexpr std::size_t longest = 255;  // RFC 1929
  if (spec.user_name.size() > longest || spec.password.size() > longest)
    throw Error{ErrorKind::failed,
                "user name or password of backend " + spec.host + " is longer than 255 bytes"};
  if (spec.role != BackendRole::parent_socks5 && spec.user_name.find(':') != std::string::npos)
    throw Error{ErrorKind::failed, "user name of backend " + spec.host + " has a colon"};
}

/// Tells texts apart without keeping them.
static std::string mark_of(const std::string& text) {
  return text.empty() ? "" : std::to_string(std::hash<std::string>{}(text));
}

std::shared_ptr<const BackendLink> BackendLink::make(const BackendSpec& spec) {
  const bool speaks_tls = spec.tls || spec.role == BackendRole::parent_https;
  if (!speaks_tls && spec.role == BackendRole::origin) return nullptr;
  check_credentials(spec);
  auto link = std::make_shared<BackendLink>();
  link->role = spec.role;
  link->user_name = spec.user_name;
  link->password = spec.password;
  if (link->takes_requests() && !spec.user_name.empty())
    link->authorization = "Basic " + base64(spec.user_name + ":" + spec.password);
  link->identity = std::to_string(static_cast<int>(spec.role));
  if (link->is_parent()) link->identity += " " + spec.user_name + " " + mark_of(spec.password);
  if (!speaks_tls) return link;
  const std::string& name = spec.tls_server_name.empty() ? spec.host : spec.tls_server_name;
  link->tls = std::make_unique<const ClientTls>(
      ClientTlsSettings{.server_name = name, .verify = spec.tls_verify, .ca_pem = spec.tls_ca_pem});
  link->identity += " " + name + " " + spec.tls_verify + " " + mark_of(spec.tls_ca_pem);
  return link;
}

}  // namespace arcus
