#include "lib/net/proxy_header.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace arcus {

namespace {

constexpr std::string_view v1_word = "PROXY ";
constexpr std::string_view v2_signature{"\r\n\r\n\0\r\nQUIT\n", 12};
constexpr std::size_t v1_longest = 107;  ///< with its line end
constexpr std::size_t v2_fixed = 16;     ///< what stands before the addresses

std::uint8_t byte_at(std::string_view in, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(in[at]);
}

std::size_t number_at(std::string_view in, std::size_t at) noexcept {
  return static_cast<std::size_t>(byte_at(in, at)) << 8 | byte_at(in, at + 1);
}

/// True when `in` and `whole` agree as far as both go.
bool agrees(std::string_view in, std::string_view whole) noexcept {
  const std::size_t common = std::min(in.size(), whole.size());
  return in.substr(0, common) == whole.substr(0, common);
}

/// Takes the next word off `line`; the words are separated by exactly one blank.
std::string_view take_word(std::string_view& line) noexcept {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<IpAddress> address_of(std::string_view word, bool v4) noexcept {
  const auto address = IpAddress::parse(word);
  return address && address->is_v4() == v4 ? address : std::nullopt;
}

/// The words behind "PROXY TCP4 " or "PROXY TCP6 ".
bool parse_v1_addresses(std::string_view line, bool v4, ProxyHeader& out) noexcept {
  if (std::ranges::count(line, ' ') != 3) return false;
  const auto source = address_of(take_word(line), v4);
  const auto destination = address_of(take_word(line), v4);
  const auto source_port = parse_port(take_word(line), true);
  const auto destination_port = parse_port(line, true);
  if (!source || !destination || !source_port || !destination_port) return false;
  out.has_addresses = true;
  out.source = {source->unmapped(), *source_port};
  out.destination = {destination->unmapped(), *destination_port};
  return true;
}

ProxyParse parse_v1(std::string_view in, ProxyHeader& out) noexcept {
  const std::string_view seen = in.substr(0, v1_longest);
  const std::size_t end = seen.find_first_of("\r\n");
  const std::string_view line = seen.substr(0, end);
  // The family is known early: what it cannot become is refused without waiting for the line end.
  constexpr std::array<std::string_view, 3> families{"TCP4 ", "TCP6 ", "UNKNOWN"};
  const std::string_view rest = line.substr(std::min(line.size(), v1_word.size()));
  const auto family = std::ranges::find_if(families, [&](auto word) { return agrees(rest, word); });
  if (!agrees(line, v1_word) || family == families.end()) return ProxyParse::bad;
  if (end == std::string_view::npos)
    return seen.size() < v1_longest ? ProxyParse::need_more : ProxyParse::bad;
  if (seen[end] != '\r' || line.size() < v1_word.size() || rest.size() < family->size())
    return ProxyParse::bad;
  if (end + 1 == v1_longest) return ProxyParse::bad;
  if (end + 1 == seen.size()) return ProxyParse::need_more;
  if (seen[end + 1] != '\n') return ProxyParse::bad;
  out = {.size = end + 2, .version = 1};
  const std::string_view words = rest.substr(family->size());
  if (*family == "UNKNOWN") return words.empty() || words.front() == ' ' ? ProxyParse::done : ProxyParse::bad;
  return parse_v1_addresses(words, *family == "TCP4 ", out) ? ProxyParse::done : ProxyParse::bad;
}

Endpoint endpoint_v4(std::string_view in, std::size_t address, std::size_t port) noexcept {
  const std::size_t value = number_at(in, address) << 16 | number_at(in, address + 2);
  return {IpAddress::v4(static_cast<std::uint32_t>(value)), static_cast<std::uint16_t>(number_at(in, port))};
}

Endpoint endpoint_v6(std::string_view in, std::size_t address, std::size_t port) noexcept {
  std::array<std::uint8_t, 16> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_at(in, address + i);
  return {IpAddress::v6(bytes).unmapped(), static_cast<std::uint16_t>(number_at(in, port))};
}

/// CRC-32C (RFC 9260, appendix A) of `in` with four zero bytes at `hole`.
std::uint32_t checksum(std::string_view in, std::size_t hole) noexcept {
  std::uint32_t crc = ~0U;
  for (std::size_t i = 0; i < in.size(); ++i) {
    crc ^= i - hole < 4 ? 0U : byte_at(in, i);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

/// True when a row of type, length and value fields and nothing else follows `at`, with one checksum at the
/// most, which holds.
bool are_fields(std::string_view header, std::size_t at) noexcept {
  constexpr std::uint8_t crc32c = 0x03;
  bool checked = false;
  while (at < header.size()) {
    if (header.size() - at < 3 || header.size() - at - 3 < number_at(header, at + 1)) return false;
    const std::size_t value = at + 3, size = number_at(header, at + 1);
    if (byte_at(header, at) == crc32c) {
      if (size != 4 || std::exchange(checked, true)) return false;
      const std::size_t told = number_at(header, value) << 16 | number_at(header, value + 2);
      if (told != checksum(header, value)) return false;
    }
    at = value + size;
  }
  return true;
}

/// A family of version 2: its byte and how many bytes of addresses it has.
struct Family {
  std::uint8_t code;
  std::size_t size;
};
/// Over a stream; datagrams cannot be what a TCP connection passes on.
constexpr std::array families{Family{0x00, 0}, Family{0x11, 12}, Family{0x21, 36}, Family{0x31, 216}};

ProxyParse parse_v2(std::string_view in, ProxyHeader& out) noexcept {
  constexpr std::uint8_t local = 0x20, proxy = 0x21;
  if (!agrees(in, v2_signature)) return ProxyParse::bad;
  if (in.size() > 12 && byte_at(in, 12) != local && byte_at(in, 12) != proxy) return ProxyParse::bad;
  const bool is_local = in.size() > 12 && byte_at(in, 12) == local;
  const auto family =
      in.size() > 13 ? std::ranges::find(families, byte_at(in, 13), &Family::code) : families.begin();
  if (family == families.end() && !is_local) return ProxyParse::bad;
  if (in.size() < v2_fixed) return ProxyParse::need_more;
  const std::size_t size = v2_fixed + number_at(in, 14);
  if (size > max_proxy_header) return ProxyParse::bad;
  if (!is_local && size < v2_fixed + family->size) return ProxyParse::bad;
  if (in.size() < size) return ProxyParse::need_more;
  out = {.size = size, .version = 2};
  if (is_local) return ProxyParse::done;
  if (family->code != 0 && !are_fields(in.substr(0, size), v2_fixed + family->size)) return ProxyParse::bad;
  out.has_addresses = family->code == 0x11 || family->code == 0x21;
  if (family->code == 0x11) {
    out.source = endpoint_v4(in, 16, 24);
    out.destination = endpoint_v4(in, 20, 26);
  } else if (family->code == 0x21) {
    out.source = endpoint_v6(in, 16, 48);
    out.destination = endpoint_v6(in, 32, 50);
  }
  return ProxyParse::done;
}

/// The address as 16 bytes, IPv4 inside ::ffff:0:0/96.
IpAddress mapped(const IpAddress& address) noexcept {
  if (!address.is_v4()) return address;
  std::array<std::uint8_t, 16> bytes{};
  bytes[10] = bytes[11] = 0xff;
  std::copy_n(address.bytes().begin(), 4, bytes.begin() + 12);
  return IpAddress::v6(bytes);
}

void append_bytes(std::string& out, const IpAddress& address) {
  for (std::size_t i = 0; i < (address.is_v4() ? 4U : 16U); ++i) out += static_cast<char>(address.bytes()[i]);
}

void append_number(std::string& out, std::size_t number) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xff);
}

}  // namespace

ProxyParse parse_proxy_header(std::string_view in, ProxyHeader& out) noexcept {
  if (in.empty()) return ProxyParse::need_more;
  return in.front() == v2_signature.front() ? parse_v2(in, out) : parse_v1(in, out);
}

std::string write_local_proxy_header(int version) {
  return version == 1 ? "PROXY UNKNOWN\r\n" : std::string{v2_signature} + std::string("\x20\0\0\0", 4);
}

std::string write_proxy_header(int version, const Endpoint& source, const Endpoint& destination) {
  const bool v4 = source.address.is_v4() && destination.address.is_v4();
  const IpAddress from = v4 ? source.address : mapped(source.address);
  const IpAddress to = v4 ? destination.address : mapped(destination.address);
  if (version == 1)
    return std::string{v4 ? "PROXY TCP4 " : "PROXY TCP6 "} + from.to_string() + " " + to.to_string() + " " +
           std::to_string(source.port) + " " + std::to_string(destination.port) + "\r\n";
  std::string out{v2_signature};
  out += '\x21';
  out += v4 ? '\x11' : '\x21';
  append_number(out, v4 ? 12 : 36);
  append_bytes(out, from);
  append_bytes(out, to);
  append_number(out, source.port);
  append_number(out, destination.port);
  return out;
}

}  // namespace arcus
