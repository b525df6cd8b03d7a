#include "lib/tls/context.h"

#include <openssl/err.h>

#include "lib/base/error.h"
#include "lib/tls/openssl.h"

namespace arcus::openssl {

// AES-128 first: as safe for a connection's life and a quarter cheaper than AES-256.
static constexpr char suites_1_2[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static constexpr char suites_1_3[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static constexpr char groups[] = "X25519:P-256:P-384:P-521";

void throw_error(const std::string& what) {
  throw Error{ErrorKind::failed, what + ": " + take_openssl_error("OpenSSL gives no reason")};
}

static int version_of(std::string_view text) {
  if (text.starts_with("TLSv")) text.remove_prefix(4);
  if (text.starts_with("TLS")) text.remove_prefix(3);
  if (text == "1.2") return TLS1_2_VERSION;
  if (text == "1.3") return TLS1_3_VERSION;
  throw Error{ErrorKind::failed, "\"" + std::string(text) + "\" is no TLS version we speak: 1.2 or 1.3"};
}

Context make_context(const SSL_METHOD* method, std::string_view min_version, std::string_view max_version) {
  start_openssl();
  ERR_clear_error();
  const int min = version_of(min_version.empty() ? "1.2" : min_version);
  const int max = version_of(max_version.empty() ? "1.3" : max_version);
  if (min > max) throw Error{ErrorKind::failed, "the least TLS version is above the greatest"};
  Context context(SSL_CTX_new(method));
  if (!context) throw_error("a TLS context");
  SSL_CTX* raw = context.get();
  SSL_CTX_set_security_level(raw, 2);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                               SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
  if (SSL_CTX_set_min_proto_version(raw, min) != 1 || SSL_CTX_set_max_proto_version(raw, max) != 1 ||
      SSL_CTX_set_cipher_list(raw, suites_1_2) != 1 || SSL_CTX_set_ciphersuites(raw, suites_1_3) != 1 ||
      SSL_CTX_set1_groups_list(raw, groups) != 1)
    throw_error("a TLS context");
  return context;
}

std::string alpn_list(std::string_view names) {
  std::string wire;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    std::string_view name = names.substr(0, comma);
    names.remove_prefix(std::min(comma + 1, names.size()));
    while (name.starts_with(' ')) name.remove_prefix(1);
    while (name.ends_with(' ')) name.remove_suffix(1);
    if (name.empty() || name.size() > 255)
      throw Error{ErrorKind::failed, "a protocol name for ALPN has 1 to 255 bytes"};
    wire += static_cast<char>(name.size());
    wire += name;
  }
  return wire;
}

}  // namespace arcus::openssl
