#include "lib/http/fields.h"

#include <algorithm>

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

/// Names by length: by_length[n] .. by_length[n + 1] of `order` are the rows whose name has n letters.
struct LengthIndex {
  std::array<std::uint8_t, longest + 2> first{};
  std::array<std::uint8_t, table.size()> order{};
};

static constexpr LengthIndex make_index() {
  LengthIndex index;
  std::size_t used = 0;
  for (std::size_t length = 0; length <= longest; ++length) {
    index.first[length] = static_cast<std::uint8_t>(used);
    for (std::size_t row = 0; row < table.size(); ++row)
      if (table[row].name.size() == length) index.order[used++] = static_cast<std::uint8_t>(row);
  }
  index.first[longest + 1] = static_cast<std::uint8_t>(used);
  return index;
}
static constexpr LengthIndex by_length = make_index();
static_assert(by_length.first[longest + 1] == table.size());

FieldId find_field(std::string_view name) noexcept {
  if (name.size() > longest) return FieldId::other;
  const char first = name.empty() ? '\0' : lower(name[0]);
  for (std::size_t i = by_length.first[name.size()]; i < by_length.first[name.size() + 1]; ++i) {
    const FieldTraits& row = table[by_length.order[i]];
    if (!row.name.empty() && row.name[0] == first && equals_lower(name, row.name)) return row.id;
  }
  return FieldId::other;
}

const FieldTraits& traits(FieldId id) noexcept { return table[static_cast<std::size_t>(id)]; }

}  // namespace arcus::http
