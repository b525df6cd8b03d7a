#include "lib/crypto/sha256.h"

#include <openssl/evp.h>

#include <array>

#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus {

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
    throw Error(ErrorKind::failed, "SHA-256 failed");
  return to_hex({digest.data(), size});
}

}  // namespace arcus
