#include "lib/base/id.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "lib/base/error.h"

namespace arcus {

static bool is_hex(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string new_id() {
  std::array<unsigned char, 6> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    throw system_error("cannot read random bytes", errno);
  std::string text;
  for (const unsigned char byte : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

bool is_id(std::string_view text) noexcept { return text.size() == 12 && std::ranges::all_of(text, is_hex); }

bool is_id_prefix(std::string_view text) noexcept {
  return text.size() >= 4 && text.size() <= 12 && std::ranges::all_of(text, is_hex);
}

}  // namespace arcus
