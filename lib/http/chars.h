#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

/// The character classes of RFC 9110, 5.6, and comparisons without regard to case.
namespace arcus::http {

namespace detail {
constexpr std::array<bool, 256> make_token_table() {
  std::array<bool, 256> table{};
  for (const char c : std::string_view{"!#$%&'*+-.^_`|~"}) table[static_cast<unsigned char>(c)] = true;
  for (unsigned c = '0'; c <= '9'; ++c) table[c] = true;
  for (unsigned c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
  return table;
}
inline constexpr std::array<bool, 256> token_table = make_token_table();
}  // namespace detail

constexpr bool is_token_char(char c) noexcept { return detail::token_table[static_cast<unsigned char>(c)]; }
constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
constexpr char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

/// True when `text` is one or more token characters.
constexpr bool is_token(std::string_view text) noexcept {
  if (text.empty()) return false;
  for (const char c : text)
    if (!is_token_char(c)) return false;
  return true;
}

/// Compares ASCII without regard to case; `lower_text` must be lower case already.
constexpr bool equals_lower(std::string_view text, std::string_view lower_text) noexcept {
  if (text.size() != lower_text.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i)
    if (lower(text[i]) != lower_text[i]) return false;
  return true;
}

/// Compares ASCII without regard to case.
constexpr bool equals(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

/// Without blanks and tabs at both ends (OWS).
constexpr std::string_view trim_blanks(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// True when `text` holds a byte that no field value may: NUL, CR, LF and every other control byte but HTAB.
inline bool has_control(std::string_view text) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
  const auto is_suspect = [&](std::size_t at) {  // a control byte, a tab, or a false alarm
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    const std::uint64_t below_blank = (word - ones * 0x20) & ~word;
    const std::uint64_t without_del = word ^ (ones * 0x7f);
    const std::uint64_t is_del = (without_del - ones) & ~without_del;
    return ((below_blank | is_del) & highs) != 0;
  };
  std::size_t i = 0;
  while (i + 8 <= text.size() && !is_suspect(i)) i += 8;
  if (i > 0 && i + 8 > text.size() && !is_suspect(text.size() - 8)) return false;  // the rest, and some again
  for (; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\t') || c == 0x7f) return true;
  }
  return false;
}

/// Calls `each(element)` for every element of a comma-separated list, trimmed, empty ones included.
/// Stops when `each` returns false; returns false then.
template <typename F>
constexpr bool for_each_element(std::string_view list, F&& each) {
  while (true) {
    const std::size_t comma = list.find(',');
    if (!each(trim_blanks(list.substr(0, comma)))) return false;
    if (comma == std::string_view::npos) return true;
    list.remove_prefix(comma + 1);
  }
}

}  // namespace arcus::http
