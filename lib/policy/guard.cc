#include "lib/policy/guard.h"

#include <algorithm>
#include <array>
#include <optional>

namespace arcus::policy {

namespace {
/// A range in bytes: IPv4 in the first four.
struct Row {
  SpecialRange range;
  std::array<std::uint8_t, 16> prefix;
  int bits;
};

/// How an IPv6 address carries an IPv4 one.
struct Embedding {
  std::array<std::uint8_t, 16> prefix;
  int bits;
  std::size_t at;  ///< where its four bytes stand
};
}  // namespace

static constexpr std::array v4_rows{
    Row{{"0.0.0.0/8", "this network", true}, {0}, 8},
    Row{{"10.0.0.0/8", "private", false}, {10}, 8},
    Row{{"100.64.0.0/10", "carrier-grade translation", false}, {100, 64}, 10},
    Row{{"127.0.0.0/8", "loopback", false}, {127}, 8},
    Row{{"169.254.0.0/16", "link-local and cloud metadata", false}, {169, 254}, 16},
    Row{{"172.16.0.0/12", "private", false}, {172, 16}, 12},
    Row{{"192.0.0.0/24", "protocol assignments", false}, {192, 0, 0}, 24},
    Row{{"192.0.2.0/24", "documentation", false}, {192, 0, 2}, 24},
    Row{{"192.88.99.0/24", "6to4 relays", false}, {192, 88, 99}, 24},
    Row{{"192.168.0.0/16", "private", false}, {192, 168}, 16},
    Row{{"198.18.0.0/15", "benchmarking", false}, {198, 18}, 15},
    Row{{"198.51.100.0/24", "documentation", false}, {198, 51, 100}, 24},
    Row{{"203.0.113.0/24", "documentation", false}, {203, 0, 113}, 24},
    Row{{"224.0.0.0/3", "multicast and reserved", true}, {224}, 3},
};

static constexpr std::array v6_rows{
    Row{{"::/128", "unspecified", true}, {}, 128},
    Row{{"::1/128", "loopback", false}, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128},
    Row{{"::/96", "IPv4-compatible", false}, {}, 96},
    Row{{"64:ff9b:1::/48", "local translation", false}, {0, 0x64, 0xff, 0x9b, 0, 1}, 48},
    Row{{"100::/64", "discard only", false}, {1}, 64},
    Row{{"2001::/23", "protocol assignments", false}, {0x20, 1}, 23},
    Row{{"2001:db8::/32", "documentation", false}, {0x20, 1, 0x0d, 0xb8}, 32},
    Row{{"3fff::/20", "documentation", false}, {0x3f, 0xff}, 20},
    Row{{"5f00::/16", "segment routing", false}, {0x5f}, 16},
    Row{{"fc00::/7", "unique local", false}, {0xfc}, 7},
    Row{{"fe80::/10", "link-local", false}, {0xfe, 0x80}, 10},
    Row{{"fec0::/10", "site-local", false}, {0xfe, 0xc0}, 10},
    Row{{"ff00::/8", "multicast", true}, {0xff}, 8},
};

static constexpr std::array embeddings{
    Embedding{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96, 12},  // ::ffff:0:0/96, mapped
    Embedding{{0, 0x64, 0xff, 0x9b}, 96, 12},                       // 64:ff9b::/96, NAT64
    Embedding{{0x20, 0x02}, 16, 2},                                 // 2002::/16, 6to4
};

static constexpr std::array own_ranges = [] {
  std::array<SpecialRange, v4_rows.size() + v6_rows.size()> all{};
  for (std::size_t i = 0; i < v4_rows.size(); ++i) all[i] = v4_rows[i].range;
  for (std::size_t i = 0; i < v6_rows.size(); ++i) all[v4_rows.size() + i] = v6_rows[i].range;
  return all;
}();

static bool has_prefix(const std::array<std::uint8_t, 16>& bytes, const std::array<std::uint8_t, 16>& prefix,
                       int bits) noexcept {
  const auto whole = static_cast<std::size_t>(bits / 8);
  if (!std::equal(bytes.begin(), bytes.begin() + whole, prefix.begin())) return false;
  if (bits % 8 == 0) return true;
  const int mask = 0xff00 >> (bits % 8);
  return ((bytes[whole] ^ prefix[whole]) & mask & 0xff) == 0;
}

static std::optional<IpAddress> embedded(const IpAddress& address) noexcept {
  const auto& bytes = address.bytes();
  for (const Embedding& row : embeddings) {
    if (!has_prefix(bytes, row.prefix, row.bits)) continue;
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | bytes[row.at + i];
    return IpAddress::v4(value);
  }
  return std::nullopt;
}

const SpecialRange* find_special(const IpAddress& address) noexcept {
  if (address.is_v4()) {
    const auto row = std::ranges::find_if(
        v4_rows, [&](const Row& r) { return has_prefix(address.bytes(), r.prefix, r.bits); });
    return row == v4_rows.end() ? nullptr : &row->range;
  }
  if (const auto inner = embedded(address)) return find_special(*inner);
  const auto row = std::ranges::find_if(
      v6_rows, [&](const Row& r) { return has_prefix(address.bytes(), r.prefix, r.bits); });
  if (row != v6_rows.end()) return &row->range;
  // Only 2000::/3 is handed out as global unicast; what is reserved today may be anything tomorrow.
  static constexpr SpecialRange reserved{"::/0", "not global unicast", false};
  return (address.bytes()[0] & 0xe0) == 0x20 ? nullptr : &reserved;
}

std::span<const SpecialRange> special_ranges() noexcept { return own_ranges; }

bool is_own(const Endpoint& endpoint, const OwnEndpoints& own) noexcept {
  if (std::ranges::find(own.ports, endpoint.port) == own.ports.end()) return false;
  const IpAddress plain = embedded(endpoint.address).value_or(endpoint.address);
  if (plain.is_loopback() || plain.is_any()) return true;
  return std::ranges::find(own.addresses, plain) != own.addresses.end() ||
         std::ranges::find(own.addresses, endpoint.address) != own.addresses.end();
}

/// https://fetch.spec.whatwg.org/#port-blocking, those above 79.
static constexpr std::array<std::uint16_t, 62> bad_ports{
    87,   95,   101,  102,  103,  104,  109,  110,  111,  113,  115,  117,  119,  123,   135,  137,
    139,  143,  161,  179,  389,  427,  465,  512,  513,  514,  515,  526,  530,  531,   532,  540,
    548,  554,  556,  563,  587,  601,  636,  989,  990,  993,  995,  1719, 1720, 1723,  2049, 3659,
    4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
};

static_assert(std::ranges::is_sorted(bad_ports));

bool is_bad_http_port(std::uint16_t port) noexcept {
  return port < 80 || std::ranges::binary_search(bad_ports, port);
}

}  // namespace arcus::policy
