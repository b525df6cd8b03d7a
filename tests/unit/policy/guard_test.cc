#include "lib/policy/guard.h"

#include <doctest/doctest.h>

#include <array>
#include <string>

using namespace arcus;
using namespace arcus::policy;

static std::string range_of(const char* text) {
  const auto address = IpAddress::parse(text);
  REQUIRE(address);
  const SpecialRange* range = find_special(*address);
  return range == nullptr ? "open" : std::string{range->cidr};
}

TEST_CASE("guard: both ends of every range, and the addresses beside them") {
  struct Row {
    const char* address;
    const char* range;
  };
  const Row rows[] = {
      {"0.0.0.0", "0.0.0.0/8"},
      {"0.255.255.255", "0.0.0.0/8"},
      {"1.0.0.0", "open"},
      {"9.255.255.255", "open"},
      {"10.0.0.0", "10.0.0.0/8"},
      {"10.255.255.255", "10.0.0.0/8"},
      {"11.0.0.0", "open"},
      {"100.63.255.255", "open"},
      {"100.64.0.0", "100.64.0.0/10"},
      {"100.127.255.255", "100.64.0.0/10"},
      {"100.128.0.0", "open"},
      {"126.255.255.255", "open"},
      {"127.0.0.1", "127.0.0.0/8"},
      {"127.255.255.255", "127.0.0.0/8"},
      {"128.0.0.0", "open"},
      {"169.253.255.255", "open"},
      {"169.254.169.254", "169.254.0.0/16"},
      {"169.255.0.0", "open"},
      {"172.15.255.255", "open"},
      {"172.16.0.0", "172.16.0.0/12"},
      {"172.31.255.255", "172.16.0.0/12"},
      {"172.32.0.0", "open"},
      {"192.0.0.255", "192.0.0.0/24"},
      {"192.0.1.0", "open"},
      {"192.0.2.1", "192.0.2.0/24"},
      {"192.88.99.1", "192.88.99.0/24"},
      {"192.168.0.0", "192.168.0.0/16"},
      {"192.169.0.0", "open"},
      {"198.17.255.255", "open"},
      {"198.18.0.0", "198.18.0.0/15"},
      {"198.19.255.255", "198.18.0.0/15"},
      {"198.20.0.0", "open"},
      {"198.51.100.7", "198.51.100.0/24"},
      {"203.0.113.7", "203.0.113.0/24"},
      {"223.255.255.255", "open"},
      {"224.0.0.0", "224.0.0.0/3"},
      {"240.0.0.1", "224.0.0.0/3"},
      {"255.255.255.255", "224.0.0.0/3"},
      {"::", "::/128"},
      {"::1", "::1/128"},
      {"::7f00:1", "::/96"},
      {"::ffff:127.0.0.1", "127.0.0.0/8"},
      {"::ffff:8.8.8.8", "open"},
      {"64:ff9b::10.0.0.1", "10.0.0.0/8"},
      {"64:ff9b::808:808", "open"},
      {"64:ff9b:1::808:808", "64:ff9b:1::/48"},
      {"100::1", "100::/64"},
      {"2001:1ff:ffff::1", "2001::/23"},
      {"2001:200::1", "open"},
      {"2001:db8::1", "2001:db8::/32"},
      {"2002:7f00:1::", "127.0.0.0/8"},
      {"2002:808:808::1", "open"},
      {"2606:4700::1", "open"},
      {"fc00::1", "fc00::/7"},
      {"fdff::1", "fc00::/7"},
      {"fe80::1", "fe80::/10"},
      {"febf::1", "fe80::/10"},
      {"fec0::1", "fec0::/10"},
      {"ff02::1", "ff00::/8"},
      {"4000::1", "::/0"},
      {"0:1::1", "::/0"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.address);
    CHECK(range_of(row.address) == row.range);
  }
}

TEST_CASE("guard: every range is a network, and find_special knows it") {
  for (const SpecialRange& range : special_ranges()) {
    CAPTURE(range.cidr);
    const auto network = Cidr::parse(range.cidr);
    REQUIRE(network);
    const SpecialRange* found = find_special(network->address);
    REQUIRE(found != nullptr);
    CHECK((found->cidr == range.cidr || range.cidr == "::/96"));
    CHECK_FALSE(range.summary.empty());
  }
}

TEST_CASE("guard: our own listeners in every spelling") {
  const std::array addresses{*IpAddress::parse("8.8.4.4"), *IpAddress::parse("2606:4700::1")};
  const std::array<std::uint16_t, 2> ports{8080, 1080};
  const OwnEndpoints own{addresses, ports};
  for (const char* text :
       {"8.8.4.4:8080", "127.0.0.1:8080", "127.9.9.9:1080", "[::1]:8080", "[::ffff:8.8.4.4]:8080",
        "[2606:4700::1]:1080", "0.0.0.0:8080", "[::]:8080", "[64:ff9b::8.8.4.4]:1080"}) {
    CAPTURE(text);
    CHECK(is_own(*Endpoint::parse(text), own));
  }
  CHECK_FALSE(is_own(*Endpoint::parse("8.8.4.4:80"), own));
  CHECK_FALSE(is_own(*Endpoint::parse("8.8.8.8:8080"), own));
}

TEST_CASE("guard: ports that plain HTTP must not reach") {
  for (const auto port :
       std::initializer_list<std::uint16_t>{1, 22, 25, 79, 110, 143, 465, 587, 2049, 6000, 6667, 10080}) {
    CAPTURE(port);
    CHECK(is_bad_http_port(port));
  }
  for (const auto port : std::initializer_list<std::uint16_t>{80, 81, 443, 3000, 8000, 8080, 65535}) {
    CAPTURE(port);
    CHECK_FALSE(is_bad_http_port(port));
  }
}
