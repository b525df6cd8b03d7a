#include "lib/http/write.h"

#include <charconv>

#include "lib/http/chars.h"

namespace arcus::http {

void Writer::number(std::uint64_t value) noexcept {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  put({digits, static_cast<std::size_t>(end - digits)});
}

static void put_version(Writer& out, std::uint8_t minor) noexcept { out.put(minor == 0 ? "1.0 " : "1.1 "); }

/// Copies the fields that pass from one connection to the next.
static void put_fields(const Head& head, Writer& out, bool consumes_authorization = false) noexcept {
  for (const Field& field : head.fields) {
    if (consumes_authorization && field.id == FieldId::authorization) continue;
    if (!traits(field.id).ours && !is_nominated(head, field)) out.field(field.name, field.value);
  }
}

static void put_via(const Head& head, std::string_view token, Writer& out) noexcept {
  if (token.empty()) return;
  out.put("Via: ");
  put_version(out, head.minor);
  out.put(token);
  out.put("\r\n");
}

static void put_length(std::uint64_t length, Writer& out) noexcept {
  out.put("Content-Length: ");
  out.number(length);
  out.put("\r\n");
}

static void put_forwarded(const RequestHead& head, const RequestRewrite& rewrite, Writer& out) noexcept {
  const bool keeps =
      rewrite.forwarded_for == ForwardedFor::keep || rewrite.forwarded_for == ForwardedFor::append;
  const bool adds =
      rewrite.forwarded_for == ForwardedFor::append || rewrite.forwarded_for == ForwardedFor::replace;
  if (keeps)
    for (const Field& field : head.fields)
      if (field.id == FieldId::forwarded || field.id == FieldId::x_forwarded_for)
        out.field(field.name, field.value);
  if (adds) out.field("X-Forwarded-For", rewrite.client);
}

/// "TE: trailers" is the one part of TE that concerns the origin (RFC 9110, 10.1.4).
static bool wants_trailers(const RequestHead& head) noexcept {
  if (!head.fields.has(FieldId::te)) return false;
  for (const Field& field : head.fields)
    if (field.id == FieldId::te && has_word(field.value, "trailers")) return true;
  return false;
}

std::size_t write_request(const RequestHead& head, const RequestRewrite& rewrite,
                          std::span<char> buffer) noexcept {
  Writer out{buffer};
  out.put(head.method_name);
  out.put(" ");
  const std::string_view path = head.target.path;
  const bool bare =
      head.target.form == TargetForm::absolute && path.empty() && head.method == Method::options;
  if (bare) {
    out.put("*");  // RFC 9112, 3.2.4
  } else if (head.target.form == TargetForm::absolute && !path.starts_with('/')) {
    out.put("/");
  }
  out.put(path);
  out.put(" HTTP/1.1\r\n");
  if (!rewrite.authority.empty()) out.field("Host", rewrite.authority);
  put_fields(head, out, rewrite.consumes_authorization);
  if (head.framing == Framing::length) put_length(head.content_length, out);
  if (head.framing == Framing::chunked) out.put("Transfer-Encoding: chunked\r\n");
  if (head.expects_continue) out.put("Expect: 100-continue\r\n");
  if (rewrite.max_forwards) {
    out.put("Max-Forwards: ");
    out.number(*rewrite.max_forwards);
    out.put("\r\n");
  }
  put_forwarded(head, rewrite, out);
  put_via(head, rewrite.via, out);
  const bool trailers = wants_trailers(head);
  if (trailers) out.put("TE: trailers\r\n");
  if (!rewrite.upgrade.empty()) {
    out.field("Upgrade", rewrite.upgrade);
    out.put(trailers ? "Connection: TE, Upgrade\r\n" : "Connection: Upgrade\r\n");
  } else if (trailers) {
    out.put("Connection: TE\r\n");
  }
  out.put("\r\n");
  return out.size();
}

static void put_connection(const ResponseRewrite& rewrite, Writer& out) noexcept {
  if (!rewrite.upgrade.empty()) {
    out.field("Upgrade", rewrite.upgrade);
    out.put("Connection: Upgrade\r\n");
  } else if (!rewrite.keep_alive) {
    out.put("Connection: close\r\n");
  } else if (rewrite.client_minor == 0) {
    out.put("Connection: keep-alive\r\n");
  }
}

std::size_t write_response(const ResponseHead& head, const ResponseRewrite& rewrite,
                           std::span<char> buffer) noexcept {
  Writer out{buffer};
  out.put("HTTP/1.1 ");
  out.number(head.status);
  out.put(" ");
  out.put(head.phrase);
  out.put("\r\n");
  put_fields(head, out);
  put_via(head, rewrite.via, out);
  if (head.status >= 200) {
    const Framing told = rewrite.bodiless ? head.framing : rewrite.framing;
    if (told == Framing::length) put_length(head.content_length, out);
    if (told == Framing::chunked && rewrite.client_minor == 1) out.put("Transfer-Encoding: chunked\r\n");
    put_connection(rewrite, out);
  } else if (head.status == 101) {
    put_connection(rewrite, out);
  }
  out.put("\r\n");
  return out.size();
}

bool has_passed(const Head& head, std::string_view token) noexcept {
  if (token.empty() || !head.fields.has(FieldId::via)) return false;
  for (const Field& field : head.fields) {
    if (field.id != FieldId::via) continue;
    const bool absent = for_each_element(field.value, [&](std::string_view hop) {
      const std::size_t blank = hop.find_first_of(" \t");
      if (blank == std::string_view::npos) return true;
      const std::string_view by = trim_blanks(hop.substr(blank));
      return by.substr(0, by.find_first_of(" \t(")) != token;
    });
    if (!absent) return true;
  }
  return false;
}

bool has_word(std::string_view list, std::string_view word) noexcept {
  return !for_each_element(list, [&](std::string_view element) {
    return !equals_lower(element.substr(0, element.find_first_of("/; \t")), word);
  });
}

}  // namespace arcus::http
