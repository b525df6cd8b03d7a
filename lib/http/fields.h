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
  std::uint32_t ids = 0;  ///< a bit for each FieldId that is there

  const Field* begin() const noexcept { return items.data(); }
  const Field* end() const noexcept { return items.data() + count; }
  void clear() noexcept { count = ids = 0; }
  bool full() const noexcept { return count == max_fields; }
  /// Where the next one goes; counts once it is kept.
  Field& room() noexcept { return items[count]; }
  void keep() noexcept { ids |= bit(items[count++].id); }

  /// Most heads have few of the fields that are asked for: spares the look at each line.
  bool has(FieldId id) const noexcept { return (ids & bit(id)) != 0; }
  /// The first with that id, or nullptr.
  const Field* find(FieldId id) const noexcept {
    if (!has(id)) return nullptr;
    for (const Field& field : *this)
      if (field.id == id) return &field;
    return nullptr;
  }

 private:
  static constexpr std::uint32_t bit(FieldId id) noexcept {
    static_assert(static_cast<unsigned>(FieldId::x_forwarded_for) < 32);
    return std::uint32_t{1} << static_cast<unsigned>(id);
  }
};

/// The id of a field name, whatever its case.
FieldId find_field(std::string_view name) noexcept;

const FieldTraits& traits(FieldId id) noexcept;

}  // namespace arcus::http
