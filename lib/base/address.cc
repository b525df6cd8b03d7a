#include "lib/base/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "lib/base/units.h"

namespace arcus {

IpAddress IpAddress::v4(std::uint32_t host_order) noexcept {
  IpAddress out;
  for (std::size_t i = 0; i < 4; ++i) out.bytes_[i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return out;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& bytes) noexcept {
  IpAddress out;
  out.bytes_ = bytes;
  out.v4_ = false;
  return out;
}

/// Four decimal numbers of one to three digits. Every request with an address in it comes by here.
static std::optional<std::uint32_t> parse_v4(std::string_view text) noexcept {
  std::uint32_t value = 0;
  std::size_t at = 0;
  for (int part = 0; part < 4; ++part) {
    if (part > 0 && (at == text.size() || text[at++] != '.')) return std::nullopt;
    const std::size_t first = at;
    std::uint32_t number = 0;
    for (; at < text.size() && at < first + 3 && text[at] >= '0' && text[at] <= '9'; ++at)
      number = number * 10 + static_cast<std::uint32_t>(text[at] - '0');
    const bool padded = at > first + 1 && text[first] == '0';  // octal to others
    if (at == first || number > 255 || padded) return std::nullopt;
    value = value << 8 | number;
  }
  return at == text.size() ? std::optional{value} : std::nullopt;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  if (text.find(':') == std::string_view::npos) {
    const auto value = parse_v4(text);
    if (!value) return std::nullopt;
    return v4(*value);
  }
  std::array<char, INET6_ADDRSTRLEN + 1> copy{};
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::ranges::copy(text, copy.begin());
  std::array<std::uint8_t, 16> bytes{};
  if (::inet_pton(AF_INET6, copy.data(), bytes.data()) != 1) return std::nullopt;
  return v6(bytes);
}

bool IpAddress::is_loopback() const noexcept {
  const IpAddress plain = unmapped();
  if (plain.v4_) return plain.bytes_[0] == 127;
  return std::all_of(bytes_.begin(), bytes_.end() - 1, [](auto b) { return b == 0; }) && bytes_[15] == 1;
}

bool IpAddress::is_any() const noexcept {
  return std::ranges::all_of(bytes_, [](auto b) { return b == 0; });
}

std::uint32_t IpAddress::v4_value() const noexcept {
  return static_cast<std::uint32_t>(bytes_[0]) << 24 | static_cast<std::uint32_t>(bytes_[1]) << 16 |
         static_cast<std::uint32_t>(bytes_[2]) << 8 | bytes_[3];
}

IpAddress IpAddress::unmapped() const noexcept {
  constexpr std::array<std::uint8_t, 12> prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (v4_ || !std::equal(prefix.begin(), prefix.end(), bytes_.begin())) return *this;
  IpAddress out;
  std::copy(bytes_.begin() + 12, bytes_.end(), out.bytes_.begin());
  return out;
}

std::uint64_t source_key(const IpAddress& address) noexcept {
  const IpAddress plain = address.unmapped();
  std::uint64_t value = plain.is_v4() ? 1 : 0;
  const std::size_t used = plain.is_v4() ? 4 : 8;
  for (std::size_t i = 0; i < used; ++i) value = value << 8 | plain.bytes()[i];
  return value;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> out{};
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), out.data(), out.size());
  return out.data();
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) noexcept {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_port(text.substr(colon + 1), true);
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  const auto address = IpAddress::parse(host);
  if (!port || !address || address->is_v4() == bracketed) return std::nullopt;
  return Endpoint{*address, *port};
}

Endpoint Endpoint::from(const sockaddr_storage& storage) noexcept {
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &storage, sizeof in);
    std::array<std::uint8_t, 16> bytes{};
    std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
    return {IpAddress::v6(bytes), ntohs(in.sin6_port)};
  }
  sockaddr_in in{};
  std::memcpy(&in, &storage, sizeof in);
  return {IpAddress::v4(ntohl(in.sin_addr.s_addr)), ntohs(in.sin_port)};
}

socklen_t Endpoint::to(sockaddr_storage& storage) const noexcept {
  storage = {};
  if (address.is_v4()) {
    sockaddr_in out{};
    out.sin_family = AF_INET;
    out.sin_port = htons(port);
    out.sin_addr.s_addr = htonl(address.v4_value());
    std::memcpy(&storage, &out, sizeof out);
    return sizeof out;
  }
  sockaddr_in6 out{};
  out.sin6_family = AF_INET6;
  out.sin6_port = htons(port);
  std::memcpy(&out.sin6_addr, address.bytes().data(), 16);
  std::memcpy(&storage, &out, sizeof out);
  return sizeof out;
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v4() ? host : "[" + host + "]") + ":" + std::to_string(port);
}

std::optional<Cidr> Cidr::parse(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const int width = address->is_v4() ? 32 : 128;
  std::int64_t bits = width;
  if (slash != std::string_view::npos) {
    const auto number = parse_integer(text.substr(slash + 1));
    if (!number || *number < 0 || *number > width) return std::nullopt;
    bits = *number;
  }
  std::array<std::uint8_t, 16> bytes = address->bytes();
  for (int bit = static_cast<int>(bits); bit < width; ++bit)
    bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<std::uint8_t>(~(0x80 >> (bit % 8)));
  Cidr out{IpAddress::v6(bytes), static_cast<int>(bits)};
  if (address->is_v4()) {
    const IpAddress wide = out.address;
    out.address = IpAddress::v4(static_cast<std::uint32_t>(wide.bytes()[0]) << 24 |
                                static_cast<std::uint32_t>(wide.bytes()[1]) << 16 |
                                static_cast<std::uint32_t>(wide.bytes()[2]) << 8 | wide.bytes()[3]);
  } else if (bits >= 96 && out.address.unmapped().is_v4()) {
    return Cidr{out.address.unmapped(), static_cast<int>(bits) - 96};
  }
  return out;
}

bool Cidr::contains(const IpAddress& other) const noexcept {
  const IpAddress plain = address.is_v4() ? other.unmapped() : other;
  if (plain.is_v4() != address.is_v4()) return false;
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(address.bytes().begin(), address.bytes().begin() + static_cast<std::ptrdiff_t>(whole),
                  plain.bytes().begin()))
    return false;
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<std::uint8_t>(0xff00 >> rest);
  return (address.bytes()[whole] & mask) == (plain.bytes()[whole] & mask);
}

std::string Cidr::to_string() const { return address.to_string() + "/" + std::to_string(bits); }

std::optional<std::uint16_t> parse_port(std::string_view text, bool zero) noexcept {
  const auto number = parse_integer(text);
  if (!number || *number > 65'535 || *number < (zero ? 0 : 1)) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

bool is_host_name(std::string_view text) noexcept {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return false;
  std::size_t label = 0;
  char previous = '.';
  for (const char c : text) {
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    if (c == '.') {
      if (label == 0 || previous == '-') return false;
      label = 0;
    } else if (alnum || (c == '-' && label > 0)) {
      if (++label > 63) return false;
    } else {
      return false;
    }
    previous = c;
  }
  return label > 0 && previous != '-';
}

bool ends_in_number(std::string_view host) noexcept {
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::size_t dot = host.rfind('.');
  std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (last.empty() || std::ranges::all_of(last, is_digit)) return !last.empty();
  if (last.size() < 2 || last[0] != '0' || (last[1] != 'x' && last[1] != 'X')) return false;
  return std::ranges::all_of(last.substr(2), [&](char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

std::optional<HostPort> HostPort::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const auto port = parse_port(text.substr(colon + 1));
  std::string_view host = text.substr(0, colon);
  if (!port) return std::nullopt;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    const auto address = IpAddress::parse(host);
    if (!address || address->is_v4()) return std::nullopt;
    return HostPort{address->to_string(), *port};
  }
  if (const auto address = IpAddress::parse(host); address && address->is_v4())
    return HostPort{std::string{host}, *port};
  // A last label of digits only would be taken for an address by some resolvers: never a name.
  const std::size_t dot = host.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? host : host.substr(dot + 1);
  const bool numeric =
      !last.empty() && std::ranges::all_of(last, [](char c) { return c >= '0' && c <= '9'; });
  if (numeric || !is_host_name(host)) return std::nullopt;
  return HostPort{std::string{host}, *port};
}

std::string HostPort::to_string() const {
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + std::to_string(port);
}

}  // namespace arcus
