#pragma once

#include <memory>
#include <string>

#include "lib/tls/client_tls.h"
#include "lib/upstream/backends.h"

namespace arcus {

/// How to speak to one backend once it is connected, where that takes more than plain TCP: TLS, or what a
/// parent proxy wants. Immutable, shared by the threads; a reload that changes nothing of it keeps it.
class BackendLink {
 public:
  /// nullptr for a plain origin. Throws Error with a sentence when its TLS settings do not work.
  static std::shared_ptr<const BackendLink> make(const BackendSpec& spec);

  BackendRole role = BackendRole::origin;
  std::unique_ptr<const ClientTls> tls;  ///< null = none
  std::string user_name;                 ///< for a parent_socks5
  std::string password;
  std::string authorization;  ///< value of Proxy-Authorization for parents of http; empty = none
  std::string identity;       ///< what KeepAliveKey::identity must be: connections of other links do not fit

  bool is_parent() const noexcept { return role != BackendRole::origin; }
  /// A parent that takes plain http requests in absolute form.
  bool takes_requests() const noexcept {
    return role == BackendRole::parent_http || role == BackendRole::parent_https;
  }
};

}  // namespace arcus
