#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lib/tls/handles.h"

/// Reading PEM and X.509; for lib/tls alone. `name` says in messages where the text came from.
namespace arcus::openssl {

/// All certificates of `pem`, in its order. Throws Error when there is none or one cannot be read.
std::vector<Certificate> read_certificates(std::string_view pem, std::string_view name);
/// The first private key. Throws Error when there is none, or it is encrypted or broken.
Key read_key(std::string_view pem, std::string_view name);

/// DNS names (lower case) and IP addresses; the common name when there are none.
std::vector<std::string> names_of(const X509& certificate);
/// Whether it has any of those but the common name.
bool has_alternative_names(const X509& certificate);
/// Who it is: common name, else the first DNS name or e-mail.
std::string name_of(const X509& certificate);
std::string fingerprint_of(const X509& certificate);  ///< SHA-256, hex

/// What was written into a memory Bio.
std::string text_in(const Bio& bio);

}  // namespace arcus::openssl
