#include "lib/http/lines.h"

#include <cstring>

#include "lib/http/chars.h"

namespace arcus::http {

namespace detail {

bool next_line(std::string_view in, std::size_t at, Line& line) noexcept {
  if (at >= in.size()) return false;
  const void* found = std::memchr(in.data() + at, '\n', in.size() - at);
  if (found == nullptr) return false;
  const auto feed = static_cast<std::size_t>(static_cast<const char*>(found) - in.data());
  line.next = feed + 1;
  line.bare_lf = feed == at || in[feed - 1] != '\r';
  line.text = in.substr(at, feed - at - (line.bare_lf ? 0 : 1));
  return true;
}

bool read_field(std::string_view line, bool lenient, Field& field, std::uint32_t& repairs) noexcept {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return false;
  field.name = line.substr(0, colon);
  if (lenient)
    while (field.name.ends_with(' ') || field.name.ends_with('\t')) field.name.remove_suffix(1);
  field.id = find_field(field.name);
  if (field.id == FieldId::other && !is_token(field.name)) return false;  // those we know are tokens
  if (field.name.size() != colon) ++repairs;
  field.value = trim_blanks(line.substr(colon + 1));
  return !has_control(field.value);
}

bool has_tab_behind(std::string_view value) noexcept {
  const char* at = value.data() + value.size();
  while (*at == ' ') ++at;
  return *at == '\t';
}

bool read_length(std::string_view text, std::uint64_t& out) noexcept {
  if (text.empty()) return false;
  constexpr std::uint64_t limit = 0x7fffffffffffffff;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (!is_digit(c)) return false;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (value > (limit - digit) / 10) return false;
    value = value * 10 + digit;
  }
  out = value;
  return true;
}

bool read_connection(Head& head) noexcept {
  constexpr std::size_t max_names = 64;
  if (!head.fields.has(FieldId::connection)) return true;
  std::size_t names = 0;
  for (const Field& field : head.fields) {
    if (field.id != FieldId::connection) continue;
    const bool fine = for_each_element(field.value, [&](std::string_view name) {
      if (name.empty()) return true;
      if (equals_lower(name, "close")) return head.connection.close = true;
      if (equals_lower(name, "keep-alive")) return head.connection.keep_alive = true;
      if (equals_lower(name, "upgrade")) return head.connection.upgrade = true;
      const FieldTraits& row = traits(find_field(name));
      if (row.ours || row.protect) return ++names <= max_names;
      head.connection.names_others = true;
      return ++names <= max_names;
    });
    if (!fine) return false;
  }
  return true;
}

}  // namespace detail

bool is_nominated(const Head& head, const Field& field) noexcept {
  if (!head.connection.names_others || traits(field.id).protect) return false;
  for (const Field& line : head.fields) {
    if (line.id != FieldId::connection) continue;
    if (!for_each_element(line.value, [&](std::string_view name) { return !equals(name, field.name); }))
      return true;
  }
  return false;
}

bool worth_parsing(std::string_view in, std::size_t& tried) noexcept {
  const std::size_t from = tried < 3 ? 0 : tried - 3;
  const std::string_view fresh = in.substr(from);
  const bool whole =
      fresh.find("\n\r\n") != std::string_view::npos || fresh.find("\n\n") != std::string_view::npos;
  if (!whole && tried != 0 && in.size() < 2 * tried && in.size() < max_head_size) return false;
  tried = in.size();
  return true;
}

}  // namespace arcus::http
