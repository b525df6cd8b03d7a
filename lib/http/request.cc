#include <algorithm>
#include <utility>

#include "lib/http/chars.h"
#include "lib/http/head.h"
#include "lib/http/lines.h"

namespace arcus::http {

using detail::Line;

static Parse fail(RequestHead& out, Fault fault) noexcept {
  out.fault = fault;
  return Parse::bad;
}

static constexpr Fault line_too_long{414, Reason::header_too_large};
static constexpr Fault head_too_large{431, Reason::header_too_large};
static constexpr Fault wrong_version{505, Reason::unsupported_version};
static constexpr Fault unknown_coding{501, Reason::bad_request};
static constexpr Fault unmet_expectation{417, Reason::bad_request};

/// "HTTP/1.1". 505 for another number, 400 for anything else.
static Fault read_version(std::string_view text, std::uint8_t& minor) noexcept {
  if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' ||
      !is_digit(text[7]))
    return bad_request;
  if (text[5] != '1' || text[7] > '1') return wrong_version;
  minor = text[7] == '1' ? 1 : 0;
  return {};
}

/// A URI is ASCII; what else stands there, each reader would decode in its own way.
static bool is_target_text(std::string_view text) noexcept {
  if (text.empty()) return false;
  return std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > 0x20 && byte < 0x7f;
  });
}

static Fault read_request_line(std::string_view line, RequestHead& out) noexcept {
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return bad_request;
  out.method_name = line.substr(0, first);
  out.target_text = line.substr(first + 1, last - first - 1);
  if (!is_token(out.method_name) || out.method_name == "PRI") return bad_request;
  if (!is_target_text(out.target_text)) return bad_request;
  if (const Fault fault = read_version(line.substr(last + 1), out.minor)) return fault;
  out.method = find_method(out.method_name);
  return parse_target(out.target_text, out.method, out.target);
}

/// What a request line cannot be, seen before its end: keeps a TLS hello from waiting for header_timeout.
static bool starts_badly(std::string_view rest) noexcept {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  return !rest.empty() && (end == 0 || !is_token(rest.substr(0, std::min<std::size_t>(end, 64))));
}

static Fault read_coding(std::string_view value) noexcept {
  if (equals_lower(value, "chunked")) return {};
  bool tokens = true, has_chunked = false, chunked_last = false;
  std::size_t chunked = 0;
  for_each_element(value, [&](std::string_view element) {
    tokens = tokens && is_token(element);
    chunked_last = equals_lower(element, "chunked");
    chunked += chunked_last ? 1 : 0;
    has_chunked = has_chunked || chunked_last;
    return true;
  });
  if (!tokens || chunked > 1 || (has_chunked && !chunked_last)) return bad_request;
  return unknown_coding;
}

static Fault read_framing(RequestHead& out) noexcept {
  if (!out.fields.has(FieldId::content_length) && !out.fields.has(FieldId::transfer_encoding)) return {};
  const Field* length = nullptr;
  const Field* coding = nullptr;
  for (const Field& field : out.fields) {
    if (field.id == FieldId::content_length && std::exchange(length, &field) != nullptr) return bad_request;
    if (field.id == FieldId::transfer_encoding && std::exchange(coding, &field) != nullptr)
      return bad_request;
  }
  if (coding != nullptr) {
    if (length != nullptr || out.minor == 0) return bad_request;
    if (const Fault fault = read_coding(coding->value)) return fault;
    out.framing = Framing::chunked;
  } else if (length != nullptr) {
    if (!detail::read_length(length->value, out.content_length)) return bad_request;
    if (detail::has_tab_behind(length->value)) return bad_request;
    out.framing = Framing::length;
  }
  const bool has_body = coding != nullptr || out.content_length != 0;
  if (out.method == Method::connect && has_body) return bad_request;
  return {};
}

static Fault read_host(RequestHead& out) noexcept {
  const Field* host = nullptr;
  for (const Field& field : out.fields)
    if (field.id == FieldId::host && std::exchange(host, &field) != nullptr) return bad_request;
  if (host == nullptr) return out.minor == 0 ? Fault{} : bad_request;
  const Authority& target = out.target.authority;
  if (!target.text.empty() && target.text == host->value) {  // nearly always: read already
    out.host = target;
    const bool has_port = host->value.back() != ']' && host->value.size() != target.host.size();
    if (!has_port) out.host.port = 0;  // what the scheme means is not what Host says
    return {};
  }
  return parse_authority(host->value, out.host) ? Fault{} : bad_request;
}

static Fault read_meaning(RequestHead& out) noexcept {
  if (const Fault fault = read_host(out)) return fault;
  if (const Fault fault = read_framing(out)) return fault;
  if (!detail::read_connection(out)) return bad_request;
  out.keep_alive = !out.connection.close && (out.minor == 1 || out.connection.keep_alive);
  if (!out.fields.has(FieldId::expect)) return {};
  for (const Field& field : out.fields) {
    if (field.id != FieldId::expect || out.minor == 0) continue;
    if (!equals_lower(field.value, "100-continue")) return unmet_expectation;
    out.expects_continue = out.framing != Framing::none;
  }
  return {};
}

/// The field lines from `at` to the empty line.
static Parse read_fields(std::string_view in, std::size_t at, RequestHead& out) noexcept {
  std::uint32_t repairs = 0;
  for (Line line; detail::next_line(in, at, line); at = line.next) {
    if (line.next > max_head_size) return fail(out, head_too_large);
    if (line.bare_lf) return fail(out, bad_request);
    if (line.text.empty()) {
      out.size = line.next;
      return Parse::done;
    }
    if (out.fields.full()) return fail(out, head_too_large);
    if (!detail::read_field(line.text, false, out.fields.room(), repairs)) return fail(out, bad_request);
    out.fields.keep();
  }
  return in.size() >= max_head_size ? fail(out, head_too_large) : Parse::need_more;
}

static void reset(RequestHead& out) noexcept {
  out.size = 0;
  out.fields.clear();
  out.connection = {};
  out.framing = Framing::none;
  out.content_length = 0;
  out.fault = {};
  out.host = {};
  out.expects_continue = out.keep_alive = false;
}

Parse parse_request(std::string_view in, RequestHead& out) noexcept {
  reset(out);
  std::size_t at = 0;
  if (in.starts_with("\r\n")) at = 2;
  if (in == "\r" || in.size() == at) return Parse::need_more;
  Line line;
  if (!detail::next_line(in, at, line)) {
    if (starts_badly(in.substr(at))) return fail(out, bad_request);
    return in.size() - at > max_request_line ? fail(out, line_too_long) : Parse::need_more;
  }
  if (line.text.size() > max_request_line) return fail(out, line_too_long);
  if (line.bare_lf) return fail(out, bad_request);
  if (const Fault fault = read_request_line(line.text, out)) return fail(out, fault);
  const Parse fields = read_fields(in, line.next, out);
  if (fields != Parse::done) return fields;
  const Fault fault = read_meaning(out);
  return fault ? fail(out, fault) : Parse::done;
}

}  // namespace arcus::http
