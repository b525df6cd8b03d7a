#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace arcus {

/// Overwrites what `text` holds and empties it, so that no freed memory keeps it.
void wipe(std::string& text) noexcept;

/// Text that must not stay behind in memory: wiped when it goes or moves on.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view text) : text_(text) {}
  Secret(Secret&& other) noexcept { *this = std::move(other); }
  Secret& operator=(Secret&& other) noexcept;
  ~Secret() { wipe(text_); }

  const std::string& text() const noexcept { return text_; }

 private:
  std::string text_;
};

/// Fills `bytes` from the system's random source. Throws Error (failed) when that fails.
void fill_random(std::span<unsigned char> bytes);

/// True when both are the same; takes as long when they differ.
bool equal_secretly(std::string_view a, std::string_view b) noexcept;

/// 32 bytes of HMAC-SHA-256 (RFC 2104).
using Mac = std::array<std::uint8_t, 32>;

struct MacHash {
  std::size_t operator()(const Mac& mac) const noexcept;
};

/// The HMAC-SHA-256 of `parts` under `key`; no two lists of parts have the same text. Throws Error (failed)
/// when OpenSSL refuses.
Mac mac_of(std::span<const unsigned char> key, std::initializer_list<std::string_view> parts);

}  // namespace arcus
