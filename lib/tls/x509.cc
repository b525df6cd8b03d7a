#include "lib/tls/x509.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/tls/openssl.h"

namespace arcus::openssl {

using Names = std::unique_ptr<GENERAL_NAMES, Free<GENERAL_NAMES_free>>;

static std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

static Error bad(const std::string& message) { return Error{ErrorKind::failed, message}; }

/// OpenSSL asks for a passphrase: none, and remember the question.
static int refuse_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

std::vector<Certificate> read_certificates(std::string_view pem, std::string_view name) {
  start_openssl();
  ERR_clear_error();
  std::vector<Certificate> all;
  const Bio bio = read_from(pem);
  while (X509* next = bio ? PEM_read_bio_X509_AUX(bio.get(), nullptr, nullptr, nullptr) : nullptr)
    all.emplace_back(next);
  const unsigned long code = ERR_peek_last_error();
  const bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!at_end) throw bad("certificate " + quoted(name) + " cannot be read: it is not valid PEM");
  if (all.empty()) throw bad("there is no certificate in " + quoted(name));
  return all;
}

Key read_key(std::string_view pem, std::string_view name) {
  start_openssl();
  bool asked = false;
  const Bio bio = read_from(pem);
  Key key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, refuse_passphrase, &asked) : nullptr);
  ERR_clear_error();
  if (key) return key;
  if (asked || pem.find("ENCRYPTED") != pem.npos)
    throw bad("the key in " + quoted(name) + " is encrypted: keep it without a passphrase")
        .with_hint("openssl pkey -in KEY -out PLAIN-KEY");
  if (pem.find("PRIVATE KEY-----") == pem.npos) throw bad("there is no private key in " + quoted(name));
  throw bad("the private key in " + quoted(name) + " cannot be read");
}

std::string text_in(const Bio& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return {data, static_cast<std::size_t>(size)};
}

static std::string text_of(const ASN1_STRING* string) {
  const auto* data = reinterpret_cast<const char*>(ASN1_STRING_get0_data(string));
  std::string text(data, static_cast<std::size_t>(ASN1_STRING_length(string)));
  // A NUL in a name is an attack on whoever compares it as a C string.
  return text.find('\0') == text.npos ? text : std::string();
}

static std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

static std::string common_name(const X509& certificate) {
  const X509_NAME* subject = X509_get_subject_name(&certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text.find('\0') == text.npos ? text : std::string();
}

static std::string address_text(const ASN1_STRING* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int size = ASN1_STRING_length(bytes);
  if (size != 4 && size != 16) return {};
  ::inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), text.data(), text.size());
  return text.data();
}

/// The alternative names of one kind.
static std::vector<std::string> alternative_names(const X509& certificate, int kind) {
  std::vector<std::string> all;
  const Names names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(&certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; i < (names ? sk_GENERAL_NAME_num(names.get()) : 0); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != kind) continue;
    std::string text = kind == GEN_IPADD ? address_text(name->d.iPAddress) : lower(text_of(name->d.ia5));
    if (!text.empty()) all.push_back(std::move(text));
  }
  return all;
}

std::vector<std::string> names_of(const X509& certificate) {
  std::vector<std::string> all = alternative_names(certificate, GEN_DNS);
  for (std::string& address : alternative_names(certificate, GEN_IPADD)) all.push_back(std::move(address));
  if (all.empty())
    if (std::string name = lower(common_name(certificate)); !name.empty()) all.push_back(std::move(name));
  return all;
}

bool has_alternative_names(const X509& certificate) {
  return !alternative_names(certificate, GEN_DNS).empty() ||
         !alternative_names(certificate, GEN_IPADD).empty();
}

std::string name_of(const X509& certificate) {
  if (std::string name = common_name(certificate); !name.empty()) return name;
  for (const int kind : {GEN_DNS, GEN_EMAIL})
    if (auto names = alternative_names(certificate, kind); !names.empty()) return names.front();
  return {};
}

std::string fingerprint_of(const X509& certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(&certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  return to_hex({digest.data(), size});
}

}  // namespace arcus::openssl
