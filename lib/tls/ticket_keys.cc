#include "lib/tls/ticket_keys.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>

#include "lib/base/error.h"
#include "lib/tls/openssl.h"

namespace arcus {

static constexpr std::size_t name_size = 16;
static constexpr std::size_t secret_size = 32;
static constexpr std::size_t vector_size = 16;

static int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

TicketKeys::TicketKeys(const std::vector<std::string>& hex)
    : cipher_(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr)) {
  if (!cipher_) throw Error{ErrorKind::failed, "OpenSSL has no AES"};
  for (const std::string& text : hex) {
    Key& key = keys_.emplace_back();
    bool good = text.size() == 2 * size;
    for (std::size_t i = 0; good && i < size; ++i) {
      const int high = digit(text[2 * i]);
      const int low = digit(text[2 * i + 1]);
      good = high >= 0 && low >= 0;
      key[i] = static_cast<unsigned char>(high * 16 + low);
    }
    if (!good) throw Error{ErrorKind::failed, "a ticket key is not 80 bytes in hex"};
  }
}

TicketKeys::~TicketKeys() {
  for (Key& key : keys_) OPENSSL_cleanse(key.data(), key.size());
}

int TicketKeys::apply(unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                      bool encrypt) const noexcept {
  std::size_t at = 0;
  if (encrypt) {
    if (keys_.empty() || RAND_bytes(vector, vector_size) != 1) return -1;
    std::copy_n(keys_[0].data(), name_size, name);
  } else {
    while (at < keys_.size() && !std::equal(name, name + name_size, keys_[at].data())) ++at;
    if (at == keys_.size()) return 0;  // not ours, or too old: a full handshake follows
  }
  // OpenSSL only reads them, but its parameters are not const.
  auto* secrets = const_cast<unsigned char*>(keys_[at].data()) + name_size;
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secrets + secret_size, secret_size),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  if (EVP_MAC_CTX_set_params(mac, parameters) != 1) return -1;
  if (EVP_CipherInit_ex(cipher, cipher_.get(), nullptr, secrets, vector, encrypt ? 1 : 0) != 1) return -1;
  return encrypt || at == 0 ? 1 : 2;  // 2: accepted, but make a new one
}

}  // namespace arcus
