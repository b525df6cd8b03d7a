#include "lib/http/fields.h"

#include <doctest/doctest.h>

#include <string>

#include "lib/http/chars.h"

using namespace arcus::http;

static FieldId id_of(std::size_t row) { return static_cast<FieldId>(row); }
static constexpr std::size_t name_count = static_cast<std::size_t>(FieldId::x_forwarded_for) + 1;

TEST_CASE("fields: each name is found in any case, and nothing that differs from it in one byte") {
  for (std::size_t row = 1; row < name_count; ++row) {
    const std::string name{traits(id_of(row)).name};
    CAPTURE(name);
    CHECK(find_field(name) == id_of(row));
    for (std::size_t at = 0; at < name.size(); ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string other = name;
        other[at] = static_cast<char>(byte);
        const FieldId found = find_field(other);
        if ((found == id_of(row)) != (lower(other[at]) == name[at])) FAIL("byte ", byte, " at ", at);
      }
      CHECK(find_field(name.substr(0, at)) != id_of(row));
    }
    CHECK(find_field(name + "-") == FieldId::other);
    CHECK(find_field(name + name) == FieldId::other);
  }
}

TEST_CASE("fields: names of others are none of ours") {
  for (const char* name : {"", "x", "Date", "User-Agent", "Accept", "Server", "ETag", "X-Forwarded-Fox"})
    CHECK(find_field(name) == FieldId::other);
}

TEST_CASE("fields: a control byte is seen wherever it stands, in values of any length") {
  for (std::size_t size = 0; size < 40; ++size) {
    CHECK_FALSE(has_control(std::string(size, 'v')));
    for (std::size_t at = 0; at < size; ++at) {
      for (int byte = 0; byte < 256; ++byte) {
        std::string value(size, 'v');
        value[at] = static_cast<char>(byte);
        const bool is_control = (byte < 0x20 && byte != '\t') || byte == 0x7f;
        if (has_control(value) != is_control) FAIL("byte ", byte, " at ", at, " of ", size);
        if (at > 0) value[at - 1] = '\t';
        if (has_control(value) != is_control) FAIL("byte ", byte, " behind a tab at ", at, " of ", size);
      }
    }
  }
}
