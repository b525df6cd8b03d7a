#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "lib/base/time.h"
#include "lib/tls/certificate.h"

namespace arcus {

/// What a new certificate shall say (RFC 5280).
struct CertificateWish {
  std::vector<std::string> names;  ///< DNS names and IP addresses; the first is the common name as well
  std::chrono::hours lifetime{90 * 24};
  bool authority = false;       ///< it may sign others, and serves nobody itself
  std::string key_type = "ec";  ///< ec (P-256) or rsa (2048 bits)
};

/// A new key and its certificate, valid from `now`: signed by `issuer`, which must be an authority, or by
/// itself when there is none. Throws Error (usage) for a name that cannot stand in a certificate, (failed)
/// when the issuer cannot sign.
CertificateText issue_certificate(const CertificateWish& wish, const CertificateText* issuer, WallTime now);

/// A request (PKCS #10, PEM) for a certificate with the subject and names of the one in `text`, and its key.
std::string make_signing_request(const CertificateText& text);

}  // namespace arcus
