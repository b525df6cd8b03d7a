#include "lib/http/target.h"

#include <algorithm>
#include <array>

#include "lib/http/chars.h"

namespace arcus::http {

namespace {
struct MethodRow {
  std::string_view name;
  Method method;
};
constexpr std::array methods{
    MethodRow{"CONNECT", Method::connect}, MethodRow{"DELETE", Method::delete_},
    MethodRow{"GET", Method::get},         MethodRow{"HEAD", Method::head},
    MethodRow{"OPTIONS", Method::options}, MethodRow{"PATCH", Method::patch},
    MethodRow{"POST", Method::post},       MethodRow{"PUT", Method::put},
    MethodRow{"TRACE", Method::trace},
};
static_assert(std::ranges::is_sorted(methods, {}, &MethodRow::name));
}  // namespace

Method find_method(std::string_view name) noexcept {
  if (name == "GET") return Method::get;
  for (const MethodRow& row : methods)
    if (row.name == name) return row.method;
  return Method::other;
}

bool parse_authority(std::string_view text, Authority& out) noexcept {
  out = Authority{.text = text};
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return false;
    out.host = text.substr(1, close - 1);
    out.literal = IpAddress::parse(out.host);
    if (!out.literal || out.literal->is_v4()) return false;
    port = text.substr(close + 1);
  } else {
    const std::size_t colon = text.find(':');
    out.host = text.substr(0, colon);
    if (!is_host_name(out.host)) return false;
    if (ends_in_number(out.host)) {
      out.literal = IpAddress::parse(out.host);
      if (!out.literal) return false;
    }
    port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon);
  }
  if (port.empty()) return true;
  if (port[0] != ':') return false;
  const auto number = parse_port(port.substr(1));
  if (!number) return false;
  out.port = *number;
  return true;
}

/// The length of "scheme:" at the start, without the colon; 0 when there is none.
static std::size_t scheme_length(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size() && text[i] != ':') {
    const char c = lower(text[i]);
    const bool letter = c >= 'a' && c <= 'z';
    if (!letter && (i == 0 || !(is_digit(c) || c == '+' || c == '-' || c == '.'))) return 0;
    ++i;
  }
  return i < text.size() ? i : 0;
}

static Fault parse_absolute(std::string_view text, Target& out) noexcept {
  const std::size_t scheme = scheme_length(text);
  if (scheme == 0 || !text.substr(scheme).starts_with("://")) return bad_request;
  const bool secure = equals_lower(text.substr(0, scheme), "https");
  if (!secure && !equals_lower(text.substr(0, scheme), "http")) return bad_request;
  text.remove_prefix(scheme + 3);
  const std::size_t end = std::min(text.find_first_of("/?"), text.size());
  out.form = TargetForm::absolute;
  out.path = text.substr(end);
  if (!parse_authority(text.substr(0, end), out.authority)) return bad_request;
  if (secure) return {501, Reason::unsupported_method};
  if (out.authority.port == 0) out.authority.port = 80;
  return {};
}

Fault parse_target(std::string_view text, Method method, Target& out) noexcept {
  out = Target{};
  if (text.find('#') != std::string_view::npos) return bad_request;
  if (method == Method::connect) {
    out.form = TargetForm::authority;
    return parse_authority(text, out.authority) && out.authority.port != 0 ? Fault{} : bad_request;
  }
  if (text.starts_with('/')) {
    out.path = text;
    return {};
  }
  if (text == "*") {
    out.form = TargetForm::asterisk;
    out.path = text;
    return method == Method::options ? Fault{} : bad_request;
  }
  return parse_absolute(text, out);
}

}  // namespace arcus::http
