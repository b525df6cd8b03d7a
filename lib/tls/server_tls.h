#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/tls/certificate.h"
#include "lib/tls/tls_layer.h"

namespace arcus {

/// How a listener speaks TLS, as plain values.
struct ServerTlsSettings {
  std::vector<CertificateText> certificates;  ///< chosen by SNI; the first also when no name fits
  std::string min_version = "1.2";            ///< 1.2 or 1.3
  std::string max_version;                    ///< 1.2 or 1.3; empty = the newest
  std::string ciphers;                        ///< OpenSSL's list for TLS 1.2; empty = ECDHE with AEAD
  std::string alpn;                  ///< names separated by commas, the best first; empty = not answered
  std::string client_auth = "none";  ///< none, request, require
  std::string client_ca_pem;         ///< who may have signed client certificates
  std::vector<std::string>
      ticket_keys;    ///< 80 bytes each, in hex; the first makes tickets. None = no resumption
  std::string scope;  ///< the server's id: a session made under one scope is never resumed under another
};

/// One server's certificates and rules for TLS: immutable, shared by all threads.
class ServerTls {
 public:
  /// Throws Error with a sentence when something in `settings` does not work.
  explicit ServerTls(const ServerTlsSettings& settings);
  ~ServerTls();
  ServerTls(const ServerTls&) = delete;
  ServerTls& operator=(const ServerTls&) = delete;

  /// The server's side of a new connection, before its handshake. nullptr when memory is short.
  std::unique_ptr<TlsLayer> accept() const;
  /// Stands for whom clients must be signed by: another one means that what was proved before counts no more.
  std::string_view context() const noexcept;
  /// For the daemon's own health check: asks for no client certificate.
  std::unique_ptr<TlsLayer> accept_probe() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace arcus
