#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/time.h"

namespace arcus {

/// A certificate chain, leaf first, with its key, as PEM text.
struct CertificateText {
  std::string name;  ///< for messages: where it came from
  std::string cert_pem;
  std::string key_pem;  ///< empty = in cert_pem as well
};

/// What a certificate says of itself.
struct CertificateFacts {
  std::string subject;  ///< "CN=example.test,O=Example"
  std::string issuer;   ///< the same form
  std::vector<std::string>
      names;  ///< DNS names in lower case and IP addresses; the common name when it has none
  WallTime not_before;
  WallTime not_after;
  std::string key_type;     ///< "RSA 2048", "EC P-256", "ED25519"
  std::string fingerprint;  ///< SHA-256 of the certificate, hex
  bool has_names = false;   ///< `names` are alternative names, not the common one
  bool only_signs = false;  ///< its key may sign certificates, but no handshake
};

/// What the first certificate of `pem` says. Throws Error when there is none or it cannot be read; `name`
/// stands in the message.
CertificateFacts read_certificate(std::string_view pem, std::string_view name);

/// Throws Error with a sentence when `text` cannot serve: unreadable PEM, an encrypted key, a key of another
/// certificate, a weak key or signature, not yet valid or expired at `now`. Returns the leaf's facts.
CertificateFacts check_certificate(const CertificateText& text, WallTime now);

/// The certificates in `pem` without anything else that stands there: keys, comments. Throws as
/// read_certificate() does.
std::string certificates_only(std::string_view pem, std::string_view name);

/// True when `pattern` (exact or `*.suffix`, lower case) covers `name`; a star stands for one label.
bool name_matches(std::string_view pattern, std::string_view name) noexcept;

}  // namespace arcus
