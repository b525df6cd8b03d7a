#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace arcus {

/// An IPv4 or IPv6 address, without a port or zone.
class IpAddress {
 public:
  IpAddress() noexcept = default;  ///< 0.0.0.0
  static IpAddress v4(std::uint32_t host_order) noexcept;
  static IpAddress v6(const std::array<std::uint8_t, 16>& bytes) noexcept;

  /// Four decimal parts without leading zeros, or RFC 4291 text (no zone, no brackets). Nothing for any other
  /// spelling.
  static std::optional<IpAddress> parse(std::string_view text) noexcept;

  bool is_v4() const noexcept { return v4_; }
  bool is_loopback() const noexcept;
  bool is_any() const noexcept;
  /// Network order; IPv4 stands in the first four.
  const std::array<std::uint8_t, 16>& bytes() const noexcept { return bytes_; }
  std::uint32_t v4_value() const noexcept;  ///< host order; only when is_v4()
  /// The IPv4 address inside ::ffff:0:0/96; itself otherwise.
  IpAddress unmapped() const noexcept;
  /// RFC 5952.
  std::string to_string() const;

  auto operator<=>(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};
  bool v4_ = true;
};

/// Whom limits by client take as one: an IPv4 address, also when mapped, or the /64 of an IPv6 one.
std::uint64_t source_key(const IpAddress& address) noexcept;

/// An address and a port.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  /// "1.2.3.4:80" or "[::1]:80".
  static std::optional<Endpoint> parse(std::string_view text) noexcept;
  static Endpoint from(const sockaddr_storage& storage) noexcept;
  /// Fills `storage`; returns the length to pass to bind and connect.
  socklen_t to(sockaddr_storage& storage) const noexcept;
  int family() const noexcept { return address.is_v4() ? AF_INET : AF_INET6; }
  std::string to_string() const;

  auto operator<=>(const Endpoint&) const = default;
};

/// A network: "10.0.0.0/8", "2001:db8::/32", or a single address.
struct Cidr {
  IpAddress address;
  int bits = 0;

  /// Host bits must be zero only in the result: they are cleared. A network of IPv4-mapped addresses is that
  /// of the IPv4 addresses.
  static std::optional<Cidr> parse(std::string_view text) noexcept;
  /// IPv4-mapped IPv6 addresses are judged as IPv4.
  bool contains(const IpAddress& other) const noexcept;
  std::string to_string() const;

  auto operator<=>(const Cidr&) const = default;
};

/// A host (name or literal, without brackets) and a port as typed: "db.internal:5432", "[::1]:80".
struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  static std::optional<HostPort> parse(std::string_view text);
  std::string to_string() const;
  bool operator==(const HostPort&) const = default;
};

/// "1" to "65535" in decimal; "0" only when `zero` is allowed.
std::optional<std::uint16_t> parse_port(std::string_view text, bool zero = false) noexcept;

/// True for a host name of letters, digits, hyphens and underscores in labels of 1 to 63, 253 at the most
/// (RFC 1123, 2.1); one trailing dot is allowed.
bool is_host_name(std::string_view text) noexcept;

/// True when a resolver might read `host` as an IPv4 address: its last label is digits, or hex after 0x.
bool ends_in_number(std::string_view host) noexcept;

}  // namespace arcus
