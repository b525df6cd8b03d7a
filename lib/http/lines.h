#pragma once

#include <cstddef>
#include <string_view>

#include "lib/http/head.h"

/// Shared by the parsers of heads and trailers; not for other folders.
namespace arcus::http::detail {

/// One line of `in` from `at`, by memchr. `next` is where the following one begins.
struct Line {
  std::string_view text;  ///< without its end
  std::size_t next = 0;
  bool bare_lf = false;
};

/// False when no line feed is there yet.
bool next_line(std::string_view in, std::size_t at, Line& line) noexcept;

/// Reads "name: value". False when it is malformed; a blank before the colon only with `lenient`, counted in
/// `repairs`.
bool read_field(std::string_view line, bool lenient, Field& field, std::uint32_t& repairs) noexcept;

/// Digits only, at most 2^63 - 1.
bool read_length(std::string_view text, std::uint64_t& out) noexcept;

/// Blanks and tabs may follow a value (RFC 9110, 5.5), but others refuse a length with a tab behind it.
/// `value` is of a line that ends with CR LF or LF.
bool has_tab_behind(std::string_view value) noexcept;

/// Reads every Connection field. False when it names more than 64 others.
bool read_connection(Head& head) noexcept;

}  // namespace arcus::http::detail
