#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/base/address.h"
#include "lib/base/reason.h"

namespace arcus::http {

/// What to answer to a message that breaks the rules; status 0 = nothing is wrong.
struct Fault {
  std::uint16_t status = 0;
  Reason reason = Reason::ok;

  explicit operator bool() const noexcept { return status != 0; }
  bool operator==(const Fault&) const = default;
};

inline constexpr Fault bad_request{400, Reason::bad_request};

enum class Method : std::uint8_t { other, connect, delete_, get, head, options, patch, post, put, trace };

/// The method of that name; names are case-sensitive.
Method find_method(std::string_view name) noexcept;

/// Repeating such a request does no more than sending it once (RFC 9110, 9.2.2).
constexpr bool is_idempotent(Method method) noexcept {
  return method == Method::get || method == Method::head || method == Method::options ||
         method == Method::trace || method == Method::put || method == Method::delete_;
}

/// Host and port, as views into the parsed bytes.
struct Authority {
  std::string_view text;             ///< as received: "[::1]:8080"
  std::string_view host;             ///< name or literal, without brackets
  std::uint16_t port = 0;            ///< 0 = none was given
  std::optional<IpAddress> literal;  ///< when the host is an address
};

/// Reads `host[:port]`. IPv4 in four decimal parts, IPv6 in brackets, or a name of letters, digits, hyphens
/// and underscores; any other way to write an address (short, octal, hex, percent-encoded, full-width) is
/// refused, as are port 0, an empty port and user information.
bool parse_authority(std::string_view text, Authority& out) noexcept;

enum class TargetForm : std::uint8_t { origin, absolute, authority, asterisk };

/// A request target (RFC 9112, 3.2).
struct Target {
  TargetForm form = TargetForm::origin;
  Authority authority;    ///< of absolute-form (port 80 when none was given) and authority-form
  std::string_view path;  ///< path and query; may lack the leading slash in absolute-form ("?q", "")
};

/// Reads the target of a request with that method. 400 for anything malformed, userinfo, a fragment, schemes
/// other than http; 501 for https.
Fault parse_target(std::string_view text, Method method, Target& out) noexcept;

}  // namespace arcus::http
