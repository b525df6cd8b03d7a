#pragma once

#include <string>
#include <vector>

#include "lib/tls/certificate.h"

namespace arcus::test {

/// A certificate to be made.
struct Wish {
  std::vector<std::string> names{"example.test"};  ///< DNS names and addresses; the first is the common name
  std::string key = "P-256";                       ///< P-256, P-384, RSA-2048, RSA-1024
  const CertificateText* issuer = nullptr;         ///< null = signed by itself
  bool authority = false;
  int first_day = -1;  ///< relative to today
  int last_day = 90;
  std::string digest = "SHA256";
};

CertificateText make_certificate(const Wish& wish);
/// The key of `made` under a passphrase.
std::string encrypted_key(const CertificateText& made);
/// 80 bytes in hex that `seed` determines.
std::string ticket_key(int seed);

}  // namespace arcus::test
