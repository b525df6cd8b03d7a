#include "lib/tls/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdint>
#include <ctime>

#include "lib/base/error.h"
#include "lib/tls/x509.h"

namespace arcus {

using openssl::Bio;

/// What the library's security level 2 asks of keys and signatures.
static constexpr int least_security_bits = 112;

static std::string to_string(const X509_NAME* name) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) < 0) return {};
  return openssl::text_in(bio);
}

static WallTime time_of(const ASN1_TIME* time) {
  std::tm fields{};
  if (ASN1_TIME_to_tm(time, &fields) != 1) return {};
  return WallTime(std::chrono::seconds(::timegm(&fields)));
}

static std::string key_type(const EVP_PKEY* key) {
  if (!key) return "unknown";
  const int bits = EVP_PKEY_get_bits(key);
  if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")) return "RSA " + std::to_string(bits);
  if (EVP_PKEY_is_a(key, "EC")) return "EC P-" + std::to_string(bits);
  const char* name = EVP_PKEY_get0_type_name(key);
  return name ? name : "unknown";
}

static bool only_signs(const X509& certificate) {
  // Looking computes what is kept inside; nothing that can be seen changes.
  const std::uint32_t usage = X509_get_key_usage(const_cast<X509*>(&certificate));
  return (usage & X509v3_KU_DIGITAL_SIGNATURE) == 0 && (usage & X509v3_KU_KEY_CERT_SIGN) != 0;
}

static CertificateFacts facts_of(const X509& certificate) {
  return {.subject = to_string(X509_get_subject_name(&certificate)),
          .issuer = to_string(X509_get_issuer_name(&certificate)),
          .names = openssl::names_of(certificate),
          .not_before = time_of(X509_get0_notBefore(&certificate)),
          .not_after = time_of(X509_get0_notAfter(&certificate)),
          .key_type = key_type(X509_get0_pubkey(&certificate)),
          .fingerprint = openssl::fingerprint_of(certificate),
          .has_names = openssl::has_alternative_names(certificate),
          .only_signs = only_signs(certificate)};
}

CertificateFacts read_certificate(std::string_view pem, std::string_view name) {
  const CertificateFacts facts = facts_of(*openssl::read_certificates(pem, name).front());
  ERR_clear_error();
  return facts;
}

static std::string day_of(WallTime time) { return to_text(time).substr(0, 10); }

/// What is too weak about a certificate; empty when nothing.
static std::string weakness(X509& certificate) {
  const EVP_PKEY* key = X509_get0_pubkey(&certificate);
  if (!key) return "has a key of a kind that cannot be used";
  if (EVP_PKEY_get_security_bits(key) < least_security_bits)
    return "has a weak key (" + key_type(key) + "): RSA needs 2048 bits, EC 224";
  int digest = NID_undef;
  int security_bits = 0;
  const bool self_signed = (X509_get_extension_flags(&certificate) & EXFLAG_SS) != 0;
  if (!self_signed && X509_get_signature_info(&certificate, &digest, nullptr, &security_bits, nullptr) == 1 &&
      security_bits < least_security_bits)
    return std::string("is signed with a weak digest (") + OBJ_nid2sn(digest) + ")";
  return {};
}

CertificateFacts check_certificate(const CertificateText& text, WallTime now) {
  const auto chain = openssl::read_certificates(text.cert_pem, text.name);
  const openssl::Key key = openssl::read_key(text.key_pem.empty() ? text.cert_pem : text.key_pem, text.name);
  CertificateFacts facts = facts_of(*chain.front());
  const std::string what = "certificate \"" + text.name + "\" ";
  const auto refuse = [&](const std::string& why) -> Error { return {ErrorKind::failed, what + why}; };
  const int fits = X509_check_private_key(chain.front().get(), key.get());
  ERR_clear_error();
  if (fits != 1) throw refuse("does not belong to its private key");
  for (const openssl::Certificate& one : chain)
    if (const std::string why = weakness(*one); !why.empty()) throw refuse(why);
  if (facts.not_before > now) throw refuse("is not valid before " + day_of(facts.not_before));
  if (facts.not_after <= now) throw refuse("expired on " + day_of(facts.not_after));
  return facts;
}

std::string certificates_only(std::string_view pem, std::string_view name) {
  const Bio out(BIO_new(BIO_s_mem()));
  for (const openssl::Certificate& one : openssl::read_certificates(pem, name))
    if (!out || PEM_write_bio_X509(out.get(), one.get()) != 1)
      throw Error{ErrorKind::failed, "memory is short"};
  return openssl::text_in(out);
}

bool name_matches(std::string_view pattern, std::string_view name) noexcept {
  if (!pattern.starts_with("*.")) return pattern == name;
  const std::size_t dot = name.find('.');
  return dot != 0 && dot != name.npos && name.substr(dot) == pattern.substr(1);
}

}  // namespace arcus
