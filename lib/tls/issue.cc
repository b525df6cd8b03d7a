#include "lib/tls/issue.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/tls/context.h"
#include "lib/tls/x509.h"

namespace arcus {

using openssl::Bio;
using openssl::Certificate;
using openssl::Key;
using Request = std::unique_ptr<X509_REQ, openssl::Free<X509_REQ_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, openssl::Free<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, openssl::Free<BN_free>>;

static void require(bool good, const std::string& what) {
  if (!good) openssl::throw_error(what);
}

/// A host name in lower case, or `*.` and one.
static bool is_dns_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  return is_host_name(name) && !name.ends_with('.') && name == to_lower(name);
}

/// `DNS:example.test,IP:192.0.2.1`, as OpenSSL reads it.
static std::string alternative_names_of(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    const bool is_address = IpAddress::parse(name).has_value();
    if (!is_address && !is_dns_name(name))
      throw Error{
          ErrorKind::usage,
          "'" + name + "' is no name for a certificate: a host name in lower case, *.suffix or an address"};
    out += (out.empty() ? "" : ",") + std::string{is_address ? "IP:" : "DNS:"} + name;
  }
  return out;
}

/// Edwards curves bring their own.
static const EVP_MD* digest_for(const EVP_PKEY* key) {
  return EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448") ? nullptr : EVP_sha256();
}

static Key make_key(std::string_view type) {
  constexpr int rsa_bits = 2048;
  if (type != "ec" && type != "rsa")
    throw Error{ErrorKind::usage, "a key is ec or rsa, not '" + std::string{type} + "'"};
  Key key(type == "rsa" ? EVP_RSA_gen(rsa_bits) : EVP_EC_gen("P-256"));
  require(key != nullptr, "a key");
  return key;
}

/// Names that are too long for it stand among the alternative names alone.
static void set_name(X509_NAME* name, const std::string& text) {
  constexpr std::size_t longest = 64;  // RFC 5280, ub-common-name
  if (text.size() > longest) return;
  require(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()), -1, 0) == 1,
          "a name");
}

/// At random, so that no two of an authority are the same (RFC 5280 4.1.2.2).
static void set_serial(X509* certificate) {
  constexpr int bits = 126;
  const Number number(BN_new());
  require(number && BN_rand(number.get(), bits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr,
          "a serial number");
}

static void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(X509V3_EXT_nconf_nid(nullptr, &context, kind, value.c_str()));
  require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "an extension");
}

static bool is_root(X509& certificate) { return (X509_get_extension_flags(&certificate) & EXFLAG_SS) != 0; }

static std::string usages(const CertificateWish& wish) {
  if (wish.authority) return "critical,keyCertSign,cRLSign";
  return wish.key_type == "rsa" ? "critical,digitalSignature,keyEncipherment" : "critical,digitalSignature";
}

CertificateText issue_certificate(const CertificateWish& wish, const CertificateText* issuer, WallTime now) {
  if (wish.names.empty()) throw Error{ErrorKind::usage, "a certificate needs a name"};
  const std::string names = wish.authority ? "" : alternative_names_of(wish.names);
  if (wish.authority && (wish.names.front().empty() || !is_utf8(wish.names.front())))
    throw Error{ErrorKind::usage, "an authority needs a name in UTF-8"};
  if (wish.authority && (issuer || wish.names.front().size() > 64))
    throw Error{ErrorKind::usage,
                issuer ? "an authority is signed by itself: those it signs are then one step from the root"
                       : "an authority's name has 64 bytes at most"};
  const Key key = make_key(wish.key_type);
  const Certificate made(X509_new());
  require(made != nullptr, "a certificate");
  X509* raw = made.get();
  Certificate signer;
  Key signing_key;
  if (issuer) {
    signer = std::move(openssl::read_certificates(issuer->cert_pem, issuer->name).front());
    signing_key = openssl::read_key(issuer->key_pem, issuer->name);
    if (X509_check_ca(signer.get()) != 1)
      throw Error{ErrorKind::failed,
                  "certificate \"" + issuer->name + "\" is no authority: it may not sign others"};
  }
  set_serial(raw);
  set_name(X509_get_subject_name(raw), wish.names.front());
  const X509_NAME* signed_by = X509_get_subject_name(signer ? signer.get() : raw);
  const std::time_t begin = std::chrono::system_clock::to_time_t(now);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wish.lifetime).count();
  if (signer && X509_cmp_time(X509_get0_notAfter(signer.get()), nullptr) <= 0)
    throw Error{ErrorKind::failed, "certificate \"" + issuer->name + "\" has expired"};
  require(X509_set_version(raw, X509_VERSION_3) == 1 && X509_set_issuer_name(raw, signed_by) == 1 &&
              X509_set_pubkey(raw, key.get()) == 1 &&
              ASN1_TIME_set(X509_getm_notBefore(raw), begin) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(raw), begin + seconds) != nullptr,
          "a certificate");
  // Nothing outlives who signed it.
  if (signer && ASN1_TIME_compare(X509_get0_notAfter(raw), X509_get0_notAfter(signer.get())) > 0)
    require(X509_set1_notAfter(raw, X509_get0_notAfter(signer.get())) == 1, "a certificate");
  X509* above = signer ? signer.get() : raw;
  add_extension(raw, above, NID_basic_constraints,
                wish.authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE");
  add_extension(raw, above, NID_key_usage, usages(wish));
  if (!wish.authority) add_extension(raw, above, NID_ext_key_usage, "serverAuth,clientAuth");
  add_extension(raw, above, NID_subject_key_identifier, "hash");
  add_extension(raw, above, NID_authority_key_identifier, "keyid");
  if (!wish.authority) add_extension(raw, above, NID_subject_alt_name, names);
  EVP_PKEY* signs = signing_key ? signing_key.get() : key.get();
  require(X509_sign(raw, signs, digest_for(signs)) > 0, "a signature");

  const Bio cert(BIO_new(BIO_s_mem()));
  const Bio secret(BIO_new(BIO_s_secmem()));
  require(
      cert && secret && PEM_write_bio_X509(cert.get(), raw) == 1 &&
          (!signer || is_root(*signer) || PEM_write_bio_X509(cert.get(), signer.get()) == 1) &&
          PEM_write_bio_PKCS8PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "PEM");
  return {
      .name = wish.names.front(), .cert_pem = openssl::text_in(cert), .key_pem = openssl::text_in(secret)};
}

std::string make_signing_request(const CertificateText& text) {
  const auto chain = openssl::read_certificates(text.cert_pem, text.name);
  const Key key = openssl::read_key(text.key_pem.empty() ? text.cert_pem : text.key_pem, text.name);
  X509* leaf = chain.front().get();
  const Request request(X509_REQ_new());
  require(request && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
              X509_REQ_set_subject_name(request.get(), X509_get_subject_name(leaf)) == 1 &&
              X509_REQ_set_pubkey(request.get(), key.get()) == 1,
          "a request");
  if (const int at = X509_get_ext_by_NID(leaf, NID_subject_alt_name, -1); at >= 0) {
    STACK_OF(X509_EXTENSION)* wanted = sk_X509_EXTENSION_new_null();
    sk_X509_EXTENSION_push(wanted, X509_get_ext(leaf, at));
    const bool good = X509_REQ_add_extensions(request.get(), wanted) == 1;
    sk_X509_EXTENSION_free(wanted);  // the extension stays the leaf's
    require(good, "a request");
  }
  require(X509_REQ_sign(request.get(), key.get(), digest_for(key.get())) > 0, "a signature");
  const Bio out(BIO_new(BIO_s_mem()));
  require(out && PEM_write_bio_X509_REQ(out.get(), request.get()) == 1, "PEM");
  return openssl::text_in(out);
}

}  // namespace arcus
