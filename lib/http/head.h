#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lib/http/fields.h"
#include "lib/http/target.h"

namespace arcus::http {

/// How far a parser got.  `need_more` is not an error: call again with a longer span.
enum class Parse : std::uint8_t { done, need_more, bad };

inline constexpr std::size_t max_head_size = 64 * 1024;
inline constexpr std::size_t max_request_line = 16 * 1024;

/// How the end of a body is found (RFC 9112, 6.3).
enum class Framing : std::uint8_t { none, length, chunked, until_close };

/// Which names Connection lists, apart from those that are ours anyway.
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool names_others = false;  ///< at least one more: ask is_nominated
};

/// What requests and responses have in common. Views point into the parsed bytes.
struct Head {
  std::size_t size = 0;  ///< bytes of the head, the empty line included
  FieldList fields;
  ConnectionOptions connection;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  ///< with Framing::length
  std::uint8_t minor = 1;            ///< of HTTP/1.x
  Fault fault;                       ///< set when the parser said `bad`
};

struct RequestHead : Head {
  std::string_view method_name;
  Method method = Method::other;
  std::string_view target_text;
  Target target;
  Authority host;  ///< of the Host field; empty text = there was none (1.0 only)
  bool expects_continue = false;
  bool keep_alive = false;  ///< the client would send another request
};

struct ResponseHead : Head {
  std::uint16_t status = 0;
  std::string_view phrase;
  bool has_length = false;
  bool keep_alive = false;    ///< the upstream would take another request
  std::uint32_t repairs = 0;  ///< what RFC 9112 lets a proxy mend: line ends, folds, equal lengths
};

/// Reads one request head at the start of `in` (one leading CRLF is skipped and counted in `size`).
/// Reads nothing beyond `in`, allocates nothing. `bad` sets `out.fault`.
Parse parse_request(std::string_view in, RequestHead& out) noexcept;

/// Reads one response head at the start of `in`. Folded lines are joined in place, which is why `in` is
/// writable. `framing` is what the fields say; `response_framing` adds what the request means for it.
Parse parse_response(std::span<char> in, ResponseHead& out) noexcept;

/// The framing of that response to a request with `method`.
Framing response_framing(const ResponseHead& head, Method method) noexcept;

/// True when Connection names the field, so that it must not be passed on.
bool is_nominated(const Head& head, const Field& field) noexcept;

/// True when it is worth parsing again: the bytes since `tried` may end a head, or there are many of them.
/// Keeps a client that sends byte by byte from costing more than one pass. Updates `tried`.
bool worth_parsing(std::string_view in, std::size_t& tried) noexcept;

}  // namespace arcus::http
