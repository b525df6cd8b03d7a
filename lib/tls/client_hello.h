#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace arcus::tls {

/// What a client says before anything is encrypted, as far as it decides where the connection goes. With ECH
/// that is the outer hello: the inner one cannot be read.
struct ClientHello {
  std::uint16_t version = 0;     ///< legacy_version: 0x0303 since TLS 1.2
  std::string_view server_name;  ///< lower case, without a trailing dot; empty = none, or an address literal
  std::string_view alpn;         ///< ProtocolNameList as sent, checked: names behind their length bytes

  /// True when the client would speak that protocol ("h2").
  bool offers(std::string_view protocol) const noexcept;
};

/// Alerts (RFC 8446, 6) that a refused hello earns.
enum class Alert : std::uint8_t {
  none = 0,  ///< close without a word
  unexpected_message = 10,
  illegal_parameter = 47,
  access_denied = 49,
  decode_error = 50,
  protocol_version = 70,
  unrecognized_name = 112,
};

/// Reads the ClientHello at the start of a connection without taking anything away from it: in any number of
/// TCP segments and TLS records. Remembers how far it came, so that a hello may come byte by byte.
class ClientHelloReader {
 public:
  enum class Status : std::uint8_t {
    need_more,
    done,     ///< hello() has it
    not_tls,  ///< the first byte begins no TLS record
    bad,      ///< fault() and alert() say why
  };
  static constexpr std::size_t max_message = 64 * 1024;

  /// A hello of more than `limit` bytes, without the heads of its records, is refused.
  explicit ClientHelloReader(std::size_t limit = max_message) noexcept : limit_(limit) {}

  /// Goes on with `received`: everything from the connection's first byte on, longer from call to call. What
  /// stands behind the hello's last record is not looked at.
  Status read(std::string_view received);

  /// need_more is never said to so many bytes: read no more than that at once.
  std::size_t max_received() const noexcept { return limit_ + slack; }

  /// After `done`. Views into this object and into what read() was given.
  ClientHello hello() const noexcept;
  /// After `bad`: lower case, without a dot.
  std::string_view fault() const noexcept { return fault_; }
  Alert alert() const noexcept { return alert_; }

 private:
  static constexpr std::size_t slack = 4 * 1024;  ///< for the heads of records

  Status refuse(std::string_view why, Alert alert = Alert::decode_error) noexcept;
  Status too_long() noexcept;
  bool take_head(std::string_view payload);
  std::string_view message_of(std::string_view received);
  Status parse(std::string_view message);
  Status parse_extensions(std::string_view extensions);
  bool parse_names(std::string_view list);
  bool take_name(std::string_view name);
  bool parse_protocols(std::string_view list);

  std::size_t limit_;
  std::size_t record_ = 0;   ///< where the head of the current record stands
  std::size_t before_ = 0;   ///< payload of the records before it
  std::size_t message_ = 0;  ///< size of the whole message; 0 = not known yet
  std::array<std::uint8_t, 4> head_{};
  std::size_t head_size_ = 0;
  std::string joined_;  ///< the message when it came in several records

  std::uint16_t version_ = 0;
  std::array<char, 253> name_{};
  std::size_t name_size_ = 0;
  std::string_view alpn_;
  std::string_view fault_;
  Alert alert_ = Alert::none;
};

/// The record with a fatal alert for a client that sent such a `version`.
std::array<char, 7> fatal_alert(Alert alert, std::uint16_t version) noexcept;

}  // namespace arcus::tls
