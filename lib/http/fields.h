#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace arcus::http {

/// The field names that mean something to a proxy.
enum class FieldId : std::uint8_t {
  other,
  authorization,
  cache_control,
  connection,
  content_encoding,
  content_length,
  content_range,
  content_type,
  cookie,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  max_forwards,
  proxy_authenticate,
  proxy_authentication_info,
  proxy_authorization,
  proxy_connection,
  set_cookie,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  via,
  www_authenticate,
  x_forwarded_for,
};

/// What a proxy does with a field of that name.
struct FieldTraits {
  std::string_view name;  ///< lower case
  FieldId id = FieldId::other;
  bool ours = false;        ///< never copied: belongs to one connection, or is written anew
  bool protect = false;     ///< stays although Connection names it
  bool no_trailer = false;  ///< framing, routing, authentication: dropped from a trailer section
};

/// One field line, as views into the parsed bytes; the value without blanks around it.
struct Field {
  std::string_view name;
  std::string_view value;
  FieldId id = FieldId::other;
};

inline constexpr std::size_t max_fields = 128;

/// The field lines of one head, in order.
struct FieldList {
  std::array<Field, max_fields> items;
  std::size_t count = 0;

  const Field* begin() const noexcept { return items.data(); }
  const Field* end() const noexcept { return items.data() + count; }
  /// The first with that id, or nullptr.
  const Field* find(FieldId id) const noexcept {
    for (const Field& field : *this)
      if (field.id == id) return &field;
    return nullptr;
  }
};

/// The id of a field name, whatever its case.
FieldId find_field(std::string_view name) noexcept;

const FieldTraits& traits(FieldId id) noexcept;

}  // namespace arcus::http
