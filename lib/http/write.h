#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "lib/base/reason.h"
#include "lib/http/head.h"

namespace arcus::http {

/// Appends to a caller's buffer; once something did not fit, size() is 0.
class Writer {
 public:
  explicit Writer(std::span<char> out) noexcept : out_(out) {}

  void put(std::string_view text) noexcept {
    if (text.size() > out_.size() - at_) {
      full_ = true;
    } else if (!text.empty()) {
      std::memcpy(out_.data() + at_, text.data(), text.size());
      at_ += text.size();
    }
  }
  void number(std::uint64_t value) noexcept;
  void field(std::string_view name, std::string_view value) noexcept {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  std::size_t size() const noexcept { return full_ ? 0 : at_; }

 private:
  std::span<char> out_;
  std::size_t at_ = 0;
  bool full_ = false;
};

/// What becomes of X-Forwarded-For and Forwarded.
enum class ForwardedFor : std::uint8_t {
  remove,   ///< none is sent on
  keep,     ///< as received
  append,   ///< as received, the client's address added
  replace,  ///< the client's address alone
};

/// What to put into a request besides what the client sent.
struct RequestRewrite {
  std::string_view authority;  ///< for Host; empty = none was known (1.0 in reverse mode)
  std::string_view via;        ///< our token; empty = no Via
  std::string_view client;     ///< the client's address for X-Forwarded-For
  ForwardedFor forwarded_for = ForwardedFor::remove;
  std::string_view upgrade;  ///< the protocol to ask for; empty = none
  std::optional<std::uint64_t> max_forwards;
  bool consumes_authorization = false;  ///< Authorization was for us: it is not sent on
};

/// Writes the head to send upstream, always HTTP/1.1 in origin-form (or `*`): only what was parsed, without
/// what belongs to the client's connection. Returns its length; 0 when `out` is too small.
std::size_t write_request(const RequestHead& head, const RequestRewrite& rewrite,
                          std::span<char> out) noexcept;

/// How a response is to leave us.
struct ResponseRewrite {
  std::string_view via;
  Framing framing = Framing::none;  ///< of the body as sent: a 1.0 client never gets chunked
  std::uint8_t client_minor = 1;
  bool keep_alive = true;
  bool bodiless = false;     ///< answer to HEAD or 304: lengths are told though no body comes
  std::string_view upgrade;  ///< with 101: the protocol switched to
};

/// Writes a final or interim response head. Returns its length; 0 when `out` is too small.
std::size_t write_response(const ResponseHead& head, const ResponseRewrite& rewrite,
                           std::span<char> out) noexcept;

/// A field for answers of our own.
struct OwnField {
  std::string_view name;
  std::string_view value;
};

/// An answer of our own: a short fixed text, nothing of the request in it.
struct ErrorReply {
  std::uint16_t status = 500;
  Reason reason = Reason::internal;
  std::string_view proxy;  ///< our token, for Proxy-Status
  std::string_view hint;   ///< one more line of text; ours, never the client's
  std::string_view date;   ///< IMF-fixdate
  bool keep_alive = false;
  bool head_only = false;  ///< answer to HEAD
  std::uint8_t client_minor = 1;
  std::span<const OwnField> fields{};  ///< e.g. Retry-After, Allow, Proxy-Authenticate
};

/// Writes the whole answer, head and text. Returns its length; 0 when `out` is too small (2 KiB are enough
/// for fields of less than 1 KiB).
std::size_t write_error(const ErrorReply& reply, std::span<char> out) noexcept;

/// The status that tells a client of `reason` when no other is prescribed.
std::uint16_t status_of(Reason reason) noexcept;

/// The standard phrase ("Not Found"); "Error" for an unknown status.
std::string_view phrase_of(std::uint16_t status) noexcept;

/// The error type of RFC 9209, 2.3 for `reason`.
std::string_view proxy_error_of(Reason reason) noexcept;

/// True when a Via field names `token`: the request was here before.
bool has_passed(const Head& head, std::string_view token) noexcept;

/// True when the comma-separated `list` has `word` (lower case; a version after a slash in the list is not
/// looked at).
bool has_word(std::string_view list, std::string_view word) noexcept;

}  // namespace arcus::http
