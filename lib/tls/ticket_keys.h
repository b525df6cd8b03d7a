#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/tls/handles.h"

namespace arcus {

/// The keys that session tickets are made with: the first makes new ones, all are accepted. Any process that
/// has them resumes what another began.
class TicketKeys {
 public:
  static constexpr std::size_t size = 80;  ///< 16 bytes of name, 32 for AES-256-CBC, 32 for HMAC-SHA-256

  /// `hex`: one text per key. Throws Error when one is not of that size.
  explicit TicketKeys(const std::vector<std::string>& hex);
  ~TicketKeys();
  TicketKeys(const TicketKeys&) = delete;
  TicketKeys& operator=(const TicketKeys&) = delete;

  bool empty() const noexcept { return keys_.empty(); }
  /// Readies `name`, `vector`, `cipher` and `mac` as SSL_CTX_set_tlsext_ticket_key_evp_cb asks for.
  int apply(unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
            bool encrypt) const noexcept;

 private:
  using Key = std::array<unsigned char, size>;

  std::vector<Key> keys_;
  std::unique_ptr<EVP_CIPHER, openssl::Free<EVP_CIPHER_free>> cipher_;
};

}  // namespace arcus
