#include "lib/http/fields.h"

#include <algorithm>
#include <cstring>

#include "lib/http/chars.h"

namespace arcus::http {

static constexpr std::array table{
    FieldTraits{"", FieldId::other, false, false, false},
    FieldTraits{"authorization", FieldId::authorization, false, true, true},
    FieldTraits{"cache-control", FieldId::cache_control, false, true, true},
    FieldTraits{"connection", FieldId::connection, true, false, true},
    FieldTraits{"content-encoding", FieldId::content_encoding, false, false, true},
    FieldTraits{"content-length", FieldId::content_length, true, true, true},
    FieldTraits{"content-range", FieldId::content_range, false, false, true},
    FieldTraits{"content-type", FieldId::content_type, false, false, true},
    FieldTraits{"cookie", FieldId::cookie, false, false, true},
    FieldTraits{"expect", FieldId::expect, true, false, true},
    FieldTraits{"forwarded", FieldId::forwarded, true, false, true},
    FieldTraits{"host", FieldId::host, true, true, true},
    FieldTraits{"http2-settings", FieldId::http2_settings, true, false, true},
    FieldTraits{"keep-alive", FieldId::keep_alive, true, false, true},
    FieldTraits{"max-forwards", FieldId::max_forwards, true, false, true},
    FieldTraits{"proxy-authenticate", FieldId::proxy_authenticate, true, false, true},
    FieldTraits{"proxy-authentication-info", FieldId::proxy_authentication_info, true, false, true},
    FieldTraits{"proxy-authorization", FieldId::proxy_authorization, true, false, true},
    FieldTraits{"proxy-connection", FieldId::proxy_connection, true, false, true},
    FieldTraits{"set-cookie", FieldId::set_cookie, false, false, true},
    FieldTraits{"te", FieldId::te, true, false, true},
    FieldTraits{"trailer", FieldId::trailer, false, false, true},
    FieldTraits{"transfer-encoding", FieldId::transfer_encoding, true, true, true},
    FieldTraits{"upgrade", FieldId::upgrade, true, false, true},
    FieldTraits{"via", FieldId::via, false, true, true},
    FieldTraits{"www-authenticate", FieldId::www_authenticate, false, true, true},
    FieldTraits{"x-forwarded-for", FieldId::x_forwarded_for, true, false, true},
};
static_assert(std::ranges::is_sorted(table, {}, &FieldTraits::name));
static_assert(std::ranges::is_sorted(table, {}, &FieldTraits::id));
static_assert(table.size() == static_cast<std::size_t>(FieldId::x_forwarded_for) + 1);

static constexpr std::size_t longest = 25;

/// A slot of its own for every name in the table, from its length and its outermost letters.
static constexpr std::size_t slot_of(std::string_view name) noexcept {
  const auto code = [](char c) { return static_cast<std::size_t>(static_cast<unsigned char>(lower(c))); };
  return (name.size() + 7 * code(name.front()) + code(name.back())) % 64;
}

static constexpr std::array<std::uint8_t, 64> make_slots() {
  std::array<std::uint8_t, 64> slots{};
  for (std::size_t row = 1; row < table.size(); ++row)
    slots[slot_of(table[row].name)] = static_cast<std::uint8_t>(row);
  return slots;
}
static constexpr std::array slots = make_slots();
static_assert(std::ranges::count(slots, 0) == slots.size() - (table.size() - 1), "two names share a slot");

/// equals_lower() for the names of the table, eight letters at a time. Setting bit 5 makes letters lower case
/// and leaves hyphens and digits; only a control byte could become one of these.
static bool is_name(std::string_view text, std::string_view name) noexcept {
  if (text.size() != name.size()) return false;
  if (text.size() < 8) return equals_lower(text, name);
  const auto differs = [&](std::size_t at) {
    constexpr std::uint64_t ones = 0x0101010101010101;
    std::uint64_t word, wanted;
    std::memcpy(&word, text.data() + at, 8);
    std::memcpy(&wanted, name.data() + at, 8);
    const std::uint64_t no_control = (word | word << 1) & ones * 0x40;  // bit 5 or bit 6 is set
    return (word | ones * 0x20) != wanted || no_control != ones * 0x40;
  };
  for (std::size_t at = 0; at + 8 < text.size(); at += 8)
    if (differs(at)) return false;
  return !differs(text.size() - 8);
}

FieldId find_field(std::string_view name) noexcept {
  if (name.empty() || name.size() > longest) return FieldId::other;
  const FieldTraits& row = table[slots[slot_of(name)]];
  return is_name(name, row.name) ? row.id : FieldId::other;
}

const FieldTraits& traits(FieldId id) noexcept { return table[static_cast<std::size_t>(id)]; }

}  // namespace arcus::http
