#pragma once

#include <memory>
#include <string>

#include "lib/tls/tls_layer.h"

namespace arcus {

/// How we speak TLS to a backend, as plain values.
struct ClientTlsSettings {
  std::string server_name;      ///< sent as SNI and checked; an IP literal is checked but not sent
  std::string verify = "full";  ///< full (chain and name), ca (chain only), none
  std::string ca_pem;           ///< authorities to trust, as PEM text
  std::string alpn;             ///< names separated by commas; empty = none offered
  std::string min_version = "1.2";
};

/// The client's side of TLS towards one identity: immutable but for the session it remembers, shared by all
/// threads. Equal `ca_pem` texts are parsed once per process.
class ClientTls {
 public:
  /// Throws Error with a sentence when something in `settings` does not work.
  explicit ClientTls(const ClientTlsSettings& settings);
  ~ClientTls();
  ClientTls(const ClientTls&) = delete;
  ClientTls& operator=(const ClientTls&) = delete;

  /// The client's side of a new connection, before its handshake; resumes the last session when there is one.
  /// nullptr when memory is short.
  std::unique_ptr<TlsLayer> connect() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace arcus
