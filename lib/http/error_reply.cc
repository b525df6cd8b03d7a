#include <algorithm>
#include <array>
#include <charconv>

#include "lib/http/write.h"

namespace arcus::http {

namespace {
struct PhraseRow {
  std::uint16_t status;
  std::string_view phrase;
};
constexpr std::array phrases{
    PhraseRow{200, "OK"},
    PhraseRow{400, "Bad Request"},
    PhraseRow{401, "Unauthorized"},
    PhraseRow{403, "Forbidden"},
    PhraseRow{405, "Method Not Allowed"},
    PhraseRow{407, "Proxy Authentication Required"},
    PhraseRow{408, "Request Timeout"},
    PhraseRow{414, "URI Too Long"},
    PhraseRow{417, "Expectation Failed"},
    PhraseRow{429, "Too Many Requests"},
    PhraseRow{431, "Request Header Fields Too Large"},
    PhraseRow{500, "Internal Server Error"},
    PhraseRow{501, "Not Implemented"},
    PhraseRow{502, "Bad Gateway"},
    PhraseRow{503, "Service Unavailable"},
    PhraseRow{504, "Gateway Timeout"},
    PhraseRow{505, "HTTP Version Not Supported"},
    PhraseRow{508, "Loop Detected"},
};
static_assert(std::ranges::is_sorted(phrases, {}, &PhraseRow::status));
}  // namespace

std::string_view phrase_of(std::uint16_t status) noexcept {
  const auto row = std::ranges::lower_bound(phrases, status, {}, &PhraseRow::status);
  return row != phrases.end() && row->status == status ? row->phrase : std::string_view{"Error"};
}

namespace {
/// What a reason means to an HTTP client.
struct Meaning {
  std::uint16_t status;
  std::string_view proxy_error;  ///< RFC 9209, 2.3
};
}  // namespace

static Meaning meaning_of(Reason reason) noexcept {
  switch (reason) {
    case Reason::ok:
      return {200, ""};
    case Reason::bad_request:
    case Reason::protocol_error:
      return {400, "http_request_error"};
    case Reason::header_too_large:
      return {431, "http_request_error"};
    case Reason::header_timeout:
    case Reason::handshake_timeout:
    case Reason::idle_timeout:
    case Reason::body_timeout:
      return {408, "http_request_error"};
    case Reason::unsupported_method:
      return {405, "http_request_error"};
    case Reason::unsupported_version:
      return {505, "http_request_error"};
    case Reason::auth_required:
    case Reason::auth_failed:
      return {407, "http_request_denied"};
    case Reason::acl_denied:
    case Reason::user_disabled:
    case Reason::tenant_disabled:
    case Reason::killed:
      return {403, "http_request_denied"};
    case Reason::destination_denied:
      return {403, "destination_ip_prohibited"};
    case Reason::rate_limited:
      return {429, "connection_limit_reached"};
    case Reason::limit_worker:
    case Reason::limit_tenant:
    case Reason::limit_server:
    case Reason::limit_client:
    case Reason::limit_user:
    case Reason::limit_backend:
    case Reason::limit_memory:
    case Reason::draining:
      return {503, "connection_limit_reached"};
    case Reason::no_route:
      return {503, "destination_not_found"};
    case Reason::no_backend:
      return {503, "destination_unavailable"};
    case Reason::local_resource:
      return {503, "proxy_internal_error"};
    case Reason::dns_failed:
      return {502, "dns_error"};
    case Reason::connect_refused:
      return {502, "connection_refused"};
    case Reason::unreachable:
      return {502, "destination_ip_unroutable"};
    case Reason::upstream_closed:
    case Reason::client_closed:
      return {502, "connection_terminated"};
    case Reason::upstream_protocol:
      return {502, "http_protocol_error"};
    case Reason::upstream_tls_failed:
      return {502, "tls_protocol_error"};
    case Reason::connect_timeout:
      return {504, "connection_timeout"};
    case Reason::response_timeout:
      return {504, "http_response_timeout"};
    case Reason::loop_detected:
      return {508, "proxy_loop_detected"};
    case Reason::tls_failed:
    case Reason::no_sni:
    case Reason::internal:
      return {500, "proxy_internal_error"};
  }
  return {500, "proxy_internal_error"};
}

std::uint16_t status_of(Reason reason) noexcept { return meaning_of(reason).status; }
std::string_view proxy_error_of(Reason reason) noexcept { return meaning_of(reason).proxy_error; }

/// "502 Bad Gateway: connect_refused: the upstream refused the connection\n"
static std::size_t write_text(const ErrorReply& reply, std::span<char> out) noexcept {
  Writer text{out};
  text.number(reply.status);
  text.put(" ");
  text.put(phrase_of(reply.status));
  if (reply.reason != Reason::ok) {
    text.put(": ");
    text.put(name_of(reply.reason));
    text.put(": ");
    text.put(info(reply.reason).summary);
  }
  text.put("\n");
  if (!reply.hint.empty()) {
    text.put(reply.hint);
    text.put("\n");
  }
  return text.size();
}

std::size_t write_error(const ErrorReply& reply, std::span<char> buffer) noexcept {
  std::array<char, 1024> text;
  const std::size_t length = write_text(reply, text);
  Writer out{buffer};
  out.put("HTTP/1.1 ");
  out.number(reply.status);
  out.put(" ");
  out.put(phrase_of(reply.status));
  out.put("\r\n");
  if (!reply.date.empty()) out.field("Date", reply.date);
  out.put("Content-Type: text/plain; charset=utf-8\r\nContent-Length: ");
  out.number(length);
  out.put("\r\nCache-Control: no-store\r\n");
  for (const OwnField& field : reply.fields) out.field(field.name, field.value);
  if (reply.reason != Reason::ok) {
    out.put("Proxy-Status: ");
    out.put(reply.proxy.empty() ? "arcus" : reply.proxy);
    out.put("; error=");
    out.put(proxy_error_of(reply.reason));
    out.put("\r\n");
    out.field("X-Arcus-Error", name_of(reply.reason));
  }
  if (!reply.keep_alive) out.put("Connection: close\r\n");
  if (reply.keep_alive && reply.client_minor == 0) out.put("Connection: keep-alive\r\n");
  out.put("\r\n");
  if (!reply.head_only) out.put({text.data(), length});
  return out.size();
}

}  // namespace arcus::http
