#include "lib/crypto/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <cerrno>
#include <cstring>

#include "lib/base/error.h"

namespace arcus {

void wipe(std::string& text) noexcept {
  OPENSSL_cleanse(text.data(), text.capacity());
  text.clear();
}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe(text_);
  text_.swap(other.text_);
  wipe(other.text_);
  return *this;
}

void fill_random(std::span<unsigned char> bytes) {
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw system_error("getrandom", errno);
}

bool equal_secretly(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::size_t MacHash::operator()(const Mac& mac) const noexcept {
  std::size_t value = 0;
  std::memcpy(&value, mac.data(), sizeof value);
  return value;
}

Mac mac_of(std::span<const unsigned char> key, std::initializer_list<std::string_view> parts) {
  std::string all;
  std::size_t size = 0;
  for (const std::string_view part : parts) size += sizeof(std::size_t) + part.size();
  all.reserve(size);
  for (const std::string_view part : parts) {
    std::array<char, sizeof(std::size_t)> length;
    const std::size_t n = part.size();
    std::memcpy(length.data(), &n, sizeof n);
    all.append(length.data(), length.size()).append(part);
  }
  Mac out;
  unsigned written = 0;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  const auto* text = static_cast<const unsigned char*>(static_cast<const void*>(all.data()));
  const bool done = ::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), text, all.size(),
                           digest.data(), &written) != nullptr;
  wipe(all);
  if (!done || written != out.size()) throw Error(ErrorKind::failed, "HMAC-SHA-256 failed");
  std::memcpy(out.data(), digest.data(), out.size());
  return out;
}

}  // namespace arcus
