#include "proxies/socks/message.h"

#include <algorithm>

#include "lib/http/target.h"

namespace arcus::socks {

namespace {

constexpr std::uint8_t version_4 = 4;
constexpr std::uint8_t version_5 = 5;
constexpr std::uint8_t type_v4 = 1;
constexpr std::uint8_t type_name = 3;
constexpr std::uint8_t type_v6 = 4;
/// A user id or a SOCKS4a name, without its end.
constexpr std::size_t max_text = 255;

std::uint8_t byte_at(std::string_view in, std::size_t at) noexcept {
  return static_cast<std::uint8_t>(in[at]);
}

std::uint16_t port_at(std::string_view in, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(byte_at(in, at) << 8 | byte_at(in, at + 1));
}

IpAddress v4_at(std::string_view in, std::size_t at) noexcept {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | byte_at(in, at + i);
  return IpAddress::v4(value);
}

IpAddress v6_at(std::string_view in, std::size_t at) noexcept {
  std::array<std::uint8_t, 16> bytes;
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = byte_at(in, at + i);
  return IpAddress::v6(bytes).unmapped();
}

/// Type, address and port as SOCKS5 writes them, from `at` on.
struct Place {
  Parse parse = Parse::bad;
  Code fault = Code::granted;
  std::size_t end = 0;
};

Place parse_place(std::string_view in, std::size_t at, Destination& out) noexcept {
  if (in.size() <= at) return {Parse::need_more};
  const std::uint8_t type = byte_at(in, at++);
  std::size_t length = 0;
  if (type == type_v4) {
    length = 4;
  } else if (type == type_v6) {
    length = 16;
  } else if (type == type_name) {
    if (in.size() <= at) return {Parse::need_more};
    length = byte_at(in, at++);
  } else {
    return {Parse::bad, Code::address_not_supported};
  }
  const std::size_t end = at + length + 2;
  if (in.size() < end) return {Parse::need_more};
  if (type == type_v4) out.address = v4_at(in, at);
  if (type == type_v6) out.address = v6_at(in, at);
  if (type == type_name && !read_name(in.substr(at, length), out))
    return {Parse::bad, Code::host_unreachable, end};
  out.port = port_at(in, at + length);
  return {Parse::done, Code::granted, end};
}

bool is_command(std::uint8_t value, Version version) noexcept {
  return value == 1 || value == 2 || (value == 3 && version == Version::v5);
}

Parse fail(Request& out, Code code) noexcept {
  out.fault = code;
  return Parse::bad;
}

/// 05 command 00 type address port
Parse parse_v5(std::string_view in, Request& out) noexcept {
  out.version = Version::v5;
  constexpr std::size_t head = 4;
  if (in.size() < head) return Parse::need_more;
  const std::uint8_t command = byte_at(in, 1);
  if (!is_command(command, Version::v5)) return fail(out, Code::command_not_supported);
  if (byte_at(in, 2) != 0) return fail(out, Code::failure);
  out.command = static_cast<Command>(command);
  Place place = parse_place(in, 3, out.destination);
  // Where a UDP client will send from is only a hint; some write it as a name like "0".
  if (out.command == Command::associate && place.fault == Code::host_unreachable) {
    out.destination = {.address = IpAddress()};
    place = {Parse::done, Code::granted, place.end};
  }
  out.fault = place.fault;
  out.size = place.end;
  return place.parse;
}

/// Finds the zero byte that ends a text beginning at `at`; npos when it is not there (yet).
std::size_t end_of_text(std::string_view in, std::size_t at) noexcept {
  return in.substr(0, std::min(in.size(), at + max_text + 1)).find('\0', at);
}

/// 04 command port address user 00, and for 4a (address 0.0.0.x) name 00
Parse parse_v4(std::string_view in, Request& out) noexcept {
  out.version = Version::v4;
  constexpr std::size_t head = 8;
  if (in.size() < head) return Parse::need_more;
  const std::uint8_t command = byte_at(in, 1);
  if (!is_command(command, Version::v4)) return fail(out, Code::command_not_supported);
  out.command = static_cast<Command>(command);
  out.destination.port = port_at(in, 2);
  const IpAddress address = v4_at(in, 4);
  const bool named = address.v4_value() != 0 && address.v4_value() <= 255;
  if (named) out.version = Version::v4a;
  const std::size_t user_end = end_of_text(in, head);
  if (user_end == std::string_view::npos)
    return in.size() > head + max_text ? fail(out, Code::failure) : Parse::need_more;
  out.size = user_end + 1;
  if (!named) {
    out.destination.address = address;
    return Parse::done;
  }
  const std::size_t name = out.size;
  const std::size_t name_end = end_of_text(in, name);
  if (name_end == std::string_view::npos)
    return in.size() > name + max_text ? fail(out, Code::failure) : Parse::need_more;
  out.size = name_end + 1;
  if (!read_name(in.substr(name, name_end - name), out.destination)) return fail(out, Code::host_unreachable);
  return Parse::done;
}

/// Writes type, address and port; returns how many bytes.
std::size_t write_place(const Endpoint& place, char* out) noexcept {
  const std::size_t length = place.address.is_v4() ? 4 : 16;
  *out++ = static_cast<char>(place.address.is_v4() ? type_v4 : type_v6);
  out = std::copy_n(place.address.bytes().begin(), length, out);
  *out++ = static_cast<char>(place.port >> 8);
  *out = static_cast<char>(place.port & 0xff);
  return 1 + length + 2;
}

}  // namespace

Parse parse_greeting(std::string_view in, Greeting& out) noexcept {
  out = {};
  if (in.empty()) return Parse::need_more;
  if (byte_at(in, 0) != version_5) return Parse::bad;
  if (in.size() < 2) return Parse::need_more;
  const std::size_t count = byte_at(in, 1);
  if (in.size() < 2 + count) return Parse::need_more;
  out = {.methods = in.substr(2, count), .size = 2 + count};
  return Parse::done;
}

Parse parse_user_password(std::string_view in, UserPassword& out) noexcept {
  if (in.empty()) return Parse::need_more;
  if (in[0] != 1) return Parse::bad;
  if (in.size() < 2) return Parse::need_more;
  const std::size_t user = static_cast<std::uint8_t>(in[1]);
  if (user == 0) return Parse::bad;
  if (in.size() < user + 3) return Parse::need_more;
  const std::size_t password = static_cast<std::uint8_t>(in[user + 2]);
  out.size = user + password + 3;
  if (in.size() < out.size) return Parse::need_more;
  out.user = in.substr(2, user);
  out.password = in.substr(user + 3, password);
  return Parse::done;
}

Parse parse_request(std::string_view in, Request& out) noexcept {
  out = {};
  if (in.empty()) return Parse::need_more;
  if (byte_at(in, 0) == version_5) return parse_v5(in, out);
  if (byte_at(in, 0) == version_4) return parse_v4(in, out);
  return Parse::bad;
}

bool parse_datagram(std::string_view in, Datagram& out) noexcept {
  out = {};
  constexpr std::size_t head = 3;  // two reserved bytes, the fragment number
  if (in.size() < head || in.substr(0, head) != std::string_view{"\0\0\0", head}) return false;
  const Place place = parse_place(in, head, out.destination);
  if (place.parse != Parse::done) return false;
  out.payload = in.substr(place.end);
  return true;
}

bool read_name(std::string_view text, Destination& out) noexcept {
  if (text.empty() || text.size() > max_name) return false;
  if (text.front() != '[' && text.find(':') != std::string_view::npos) {
    out.address = IpAddress::parse(text);
  } else {
    http::Authority authority;
    if (!http::parse_authority(text, authority) || authority.port != 0) return false;
    out.address = authority.literal;
    if (!out.address) out.name = authority.host;
  }
  if (out.address) out.address = out.address->unmapped();
  return out.address || !out.name.empty();
}

std::size_t write_reply(Version version, Code code, const Endpoint& bound,
                        std::array<char, max_reply>& out) noexcept {
  if (version == Version::v5) {
    out[0] = version_5;
    out[1] = static_cast<char>(code);
    out[2] = 0;
    return 3 + write_place(bound, out.data() + 3);
  }
  out[0] = 0;
  out[1] = code == Code::granted ? 90 : 91;
  out[2] = static_cast<char>(bound.port >> 8);
  out[3] = static_cast<char>(bound.port & 0xff);
  const IpAddress address = bound.address.is_v4() ? bound.address : IpAddress();
  std::copy_n(address.bytes().begin(), 4, out.begin() + 4);
  return 8;
}

char* write_datagram_head(const Endpoint& source, char* end) noexcept {
  const std::size_t size = 3 + (source.address.is_v4() ? 7 : 19);
  char* begin = end - size;
  std::fill_n(begin, 3, '\0');
  write_place(source, begin + 3);
  return begin;
}

}  // namespace arcus::socks
