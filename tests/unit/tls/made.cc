#include "tests/unit/tls/made.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <stdexcept>

#include "lib/base/address.h"
#include "lib/tls/x509.h"

namespace arcus::test {

using openssl::Bio;
using openssl::Certificate;
using openssl::Key;

static std::string text_of(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

static Key make_key(const std::string& kind) {
  EVP_PKEY* key = kind.starts_with("RSA-") ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA",
                                                               static_cast<size_t>(std::stoi(kind.substr(4))))
                                           : EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", kind.c_str());
  if (!key) throw std::runtime_error("no key " + kind);
  return Key(key);
}

static void add(X509* certificate, X509* issuer, int extension, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* made = X509V3_EXT_conf_nid(nullptr, &context, extension, value.c_str());
  if (!made) throw std::runtime_error("bad extension " + value);
  X509_add_ext(certificate, made, -1);
  X509_EXTENSION_free(made);
}

CertificateText make_certificate(const Wish& wish) {
  static long serial = 1000;
  const Key key = make_key(wish.key);
  const Certificate certificate(X509_new());
  X509* raw = certificate.get();
  X509_set_version(raw, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(raw), 86'400L * wish.first_day);
  X509_gmtime_adj(X509_getm_notAfter(raw), 86'400L * wish.last_day);
  X509_set_pubkey(raw, key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(wish.names.at(0).c_str()), -1, -1, 0);
  Certificate parent;
  Key signer;
  if (wish.issuer) {
    parent = std::move(openssl::read_certificates(wish.issuer->cert_pem, "issuer").front());
    signer = openssl::read_key(wish.issuer->key_pem, "issuer");
  }
  X509* issuer = parent ? parent.get() : raw;
  X509_set_issuer_name(raw, X509_get_subject_name(issuer));
  add(raw, issuer, NID_basic_constraints, wish.authority ? "critical,CA:TRUE" : "CA:FALSE");
  add(raw, issuer, NID_subject_key_identifier, "hash");
  std::string names;
  for (const std::string& name : wish.names)
    names += (names.empty() ? "" : ",") + std::string(IpAddress::parse(name) ? "IP:" : "DNS:") + name;
  add(raw, issuer, NID_subject_alt_name, names);
  if (X509_sign(raw, signer ? signer.get() : key.get(), EVP_get_digestbyname(wish.digest.c_str())) == 0)
    throw std::runtime_error("cannot sign");
  const Bio cert_text(BIO_new(BIO_s_mem()));
  const Bio key_text(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(cert_text.get(), raw);
  PEM_write_bio_PrivateKey(key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {wish.names[0], text_of(cert_text), text_of(key_text)};
}

std::string encrypted_key(const CertificateText& made) {
  const Key key = openssl::read_key(made.key_pem, "made");
  const Bio text(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(text.get(), key.get(), EVP_aes_128_cbc(), nullptr, 0, nullptr,
                           const_cast<char*>("secret"));
  return text_of(text);
}

std::string ticket_key(int seed) { return std::to_string(seed % 10) + std::string(159, 'a'); }

}  // namespace arcus::test
