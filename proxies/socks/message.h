#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "lib/base/address.h"

/// The messages of SOCKS4, SOCKS4a and SOCKS5 (RFC 1928) as bytes; no I/O, no allocation.
namespace arcus::socks {

/// A whole greeting, and a whole request, fit into this many bytes.
inline constexpr std::size_t max_message = 600;
inline constexpr std::size_t max_name = 253;
inline constexpr std::size_t max_reply = 22;

/// How far a parser got. `need_more` is not an error: call again with a longer span.
enum class Parse : std::uint8_t { done, need_more, bad };

enum class Version : std::uint8_t { v4, v4a, v5 };
enum class Command : std::uint8_t { connect = 1, bind = 2, associate = 3 };
enum class Method : std::uint8_t { none = 0, password = 2, not_acceptable = 0xff };

/// SOCKS5's reply field. SOCKS4 knows only granted (90) and everything else (91).
enum class Code : std::uint8_t {
  granted = 0,
  failure = 1,
  not_allowed = 2,
  network_unreachable = 3,
  host_unreachable = 4,
  connection_refused = 5,
  command_not_supported = 7,
  address_not_supported = 8,
};

/// The authentication methods a SOCKS5 client offers.
struct Greeting {
  std::string_view methods;
  std::size_t size = 0;  ///< of the whole message

  bool offers(Method method) const noexcept {
    return methods.find(static_cast<char>(method)) != std::string_view::npos;
  }
};

/// A user name and password (RFC 1929, 2). Views into the parsed bytes.
struct UserPassword {
  std::string_view user;
  std::string_view password;
  std::size_t size = 0;  ///< of the whole message
};

/// What a client names: an address, or a name that no resolver takes for one. Views into the parsed bytes.
struct Destination {
  std::optional<IpAddress> address;  ///< unmapped; also for a literal sent as a name
  std::string_view name;             ///< empty with `address`
  std::uint16_t port = 0;
};

struct Request {
  Version version = Version::v5;
  Command command = Command::connect;
  Destination destination;
  Code fault = Code::granted;  ///< with Parse::bad: what to answer; granted = nothing, just close
  std::size_t size = 0;        ///< of the whole message
};

/// What a client sends to a UDP relay.
struct Datagram {
  Destination destination;
  std::string_view payload;
};

/// A SOCKS5 greeting at the start of `in`. Bad when the first byte is not 5.
Parse parse_greeting(std::string_view in, Greeting& out) noexcept;

/// A user name and password at the start of `in`. Bad when the first byte is not 1, or the name is empty.
Parse parse_user_password(std::string_view in, UserPassword& out) noexcept;

/// A request at the start of `in`, of the version its first byte says.
Parse parse_request(std::string_view in, Request& out) noexcept;

/// A whole datagram; false for one to be dropped (fragments included).
bool parse_datagram(std::string_view in, Datagram& out) noexcept;

/// Reads a host as clients send it: a name of letters, digits, hyphens and underscores, 253 bytes at the
/// most, or an address in its one spelling (IPv6 also in brackets).
bool read_name(std::string_view text, Destination& out) noexcept;

/// Writes what answers a request; returns its length. `bound` is what the client shall know of our side.
std::size_t write_reply(Version version, Code code, const Endpoint& bound,
                        std::array<char, max_reply>& out) noexcept;

/// Writes the head of a datagram from `source` so that it ends at `end`; returns where it begins. There must
/// be max_reply bytes before `end`.
char* write_datagram_head(const Endpoint& source, char* end) noexcept;

}  // namespace arcus::socks
