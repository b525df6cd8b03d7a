#include <algorithm>

#include "lib/http/chars.h"
#include "lib/http/head.h"
#include "lib/http/lines.h"

namespace arcus::http {

using detail::Line;

static Parse fail(ResponseHead& out) noexcept {
  out.fault = {502, Reason::upstream_protocol};
  return Parse::bad;
}

static bool read_status_line(std::string_view line, ResponseHead& out) noexcept {
  if (line.size() < 12 || !line.starts_with("HTTP/1.") || !is_digit(line[7]) || line[8] != ' ') return false;
  if (line[9] < '1' || !is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11])) return false;
  if (line.size() > 12 && line[12] != ' ') return false;
  out.minor = line[7] == '0' ? 0 : 1;
  out.status = static_cast<std::uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  out.phrase = line.size() > 13 ? line.substr(13) : std::string_view{};
  return !has_control(out.phrase);
}

/// One Content-Length field: equal values in a list are one (RFC 9110, 8.6).
static bool read_one_length(std::string_view value, ResponseHead& out) noexcept {
  if (detail::has_tab_behind(value)) ++out.repairs;
  return for_each_element(value, [&](std::string_view element) {
    std::uint64_t length = 0;
    if (!detail::read_length(element, length)) return false;
    if (out.has_length) {
      ++out.repairs;
      return length == out.content_length;
    }
    out.has_length = true;
    out.content_length = length;
    return true;
  });
}

static bool read_framing(ResponseHead& out) noexcept {
  bool chunked = false;
  for (const Field& field : out.fields) {
    if (field.id == FieldId::content_length && !read_one_length(field.value, out)) return false;
    if (field.id != FieldId::transfer_encoding) continue;
    if (chunked || out.minor == 0 || !equals_lower(field.value, "chunked")) return false;
    chunked = true;
  }
  if (chunked && out.has_length) return false;
  out.framing = chunked ? Framing::chunked : out.has_length ? Framing::length : Framing::until_close;
  return true;
}

/// Joins the folded lines that follow the line at `at` to it, by writing blanks over the line ends.
/// False when the end of the fold is not there yet.
static bool join_folds(std::span<char> in, std::size_t at, Line& line, std::uint32_t& repairs) noexcept {
  const std::string_view text{in.data(), in.size()};
  while (true) {
    if (line.next == in.size()) return false;
    if (!is_blank(in[line.next])) return true;
    Line more;
    if (!detail::next_line(text, line.next, more)) return false;
    for (std::size_t i = at + line.text.size(); i < line.next; ++i) in[i] = ' ';
    line.text = text.substr(at, line.next - at + more.text.size());
    line.next = more.next;
    line.bare_lf = more.bare_lf;
    ++repairs;
  }
}

static Parse read_fields(std::span<char> in, std::size_t at, ResponseHead& out) noexcept {
  const std::string_view text{in.data(), in.size()};
  for (Line line; detail::next_line(text, at, line); at = line.next) {
    if (line.next > max_head_size) return fail(out);
    if (line.bare_lf) ++out.repairs;
    if (line.text.empty()) {
      out.size = line.next;
      return Parse::done;
    }
    if (!join_folds(in, at, line, out.repairs)) break;
    if (out.fields.full()) return fail(out);
    if (!detail::read_field(line.text, true, out.fields.room(), out.repairs)) return fail(out);
    out.fields.keep();
  }
  return in.size() >= max_head_size ? fail(out) : Parse::need_more;
}

static void reset(ResponseHead& out) noexcept {
  out.size = 0;
  out.fields.clear();
  out.connection = {};
  out.framing = Framing::none;
  out.content_length = 0;
  out.fault = {};
  out.has_length = out.keep_alive = false;
  out.repairs = 0;
}

Parse parse_response(std::span<char> in, ResponseHead& out) noexcept {
  reset(out);
  const std::string_view text{in.data(), in.size()};
  Line line;
  if (!detail::next_line(text, 0, line)) {
    constexpr std::string_view expected = "HTTP/1.";
    const std::size_t known = std::min(text.size(), expected.size());
    if (text.substr(0, known) != expected.substr(0, known)) return fail(out);
    return in.size() >= max_head_size ? fail(out) : Parse::need_more;
  }
  if (line.bare_lf) ++out.repairs;
  if (!read_status_line(line.text, out)) return fail(out);
  const Parse fields = read_fields(in, line.next, out);
  if (fields != Parse::done) return fields;
  if (!detail::read_connection(out) || !read_framing(out)) return fail(out);
  out.keep_alive = !out.connection.close && (out.minor == 1 || out.connection.keep_alive);
  return Parse::done;
}

Framing response_framing(const ResponseHead& head, Method method) noexcept {
  if (method == Method::head || head.status < 200 || head.status == 204 || head.status == 304)
    return Framing::none;
  if (method == Method::connect && head.status < 300) return Framing::none;
  return head.framing;
}

}  // namespace arcus::http
