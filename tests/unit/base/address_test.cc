#include <doctest/doctest.h>

#include <array>
#include <string>

#include "lib/base/address.h"

namespace arcus {

TEST_CASE("address: every spelling but the strict ones is refused") {
  for (const char* text :
       {"127.1",     "0x7f.0.0.1", "0177.0.0.1", "2130706433", "1.2.3",    "1.2.3.",   ".1.2.3",   "1.2.3.4.",
        "1.2.3.4.5", "1.2.3.256",  "1.2.3.4444", "01.2.3.4",   "1.2.3.00", "1.2.3.4 ", " 1.2.3.4", "1..3.4",
        "",          "[::1]",      "::1%lo",     "1:2",        "::12345",  "1.2.3.-4", "+1.2.3.4"}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text));
  }
}

TEST_CASE("address: text survives a round trip in canonical form") {
  struct Row {
    const char* text;
    const char* canonical;
  };
  for (const Row& row :
       {Row{"127.0.0.1", "127.0.0.1"}, Row{"0.0.0.0", "0.0.0.0"}, Row{"::", "::"}, Row{"::1", "::1"},
        Row{"2001:DB8:0:0::1", "2001:db8::1"}, Row{"::ffff:1.2.3.4", "::ffff:1.2.3.4"}}) {
    CAPTURE(row.text);
    const auto address = IpAddress::parse(row.text);
    REQUIRE(address);
    CHECK(address->to_string() == row.canonical);
  }
}

TEST_CASE("address: a mapped IPv4 address is judged as IPv4") {
  CHECK(IpAddress::parse("::ffff:127.0.0.1")->is_loopback());
  CHECK(Cidr::parse("10.0.0.0/8")->contains(*IpAddress::parse("::ffff:10.1.2.3")));
  CHECK_FALSE(Cidr::parse("10.0.0.0/8")->contains(*IpAddress::parse("::10.1.2.3")));
}

TEST_CASE("cidr: host bits are cleared and edges hold") {
  CHECK(Cidr::parse("10.1.2.3/8")->to_string() == "10.0.0.0/8");
  CHECK(Cidr::parse("::ffff:10.1.2.3/104")->to_string() == "10.0.0.0/8");
  CHECK(Cidr::parse("::ffff:0:0/96")->to_string() == "0.0.0.0/0");
  CHECK(Cidr::parse("::ffff:10.1.2.3")->contains(*IpAddress::parse("10.1.2.3")));
  CHECK(Cidr::parse("::ffff:0:0/95")->to_string() == "::fffe:0:0/95");
  CHECK(Cidr::parse("2001:db8::ff/32")->to_string() == "2001:db8::/32");
  const Cidr odd = *Cidr::parse("192.168.8.0/21");
  CHECK(odd.contains(*IpAddress::parse("192.168.15.255")));
  CHECK_FALSE(odd.contains(*IpAddress::parse("192.168.16.0")));
  CHECK(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("203.0.113.9")));
  CHECK_FALSE(Cidr::parse("0.0.0.0/0")->contains(*IpAddress::parse("2001:db8::1")));
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/08", "::/129", "host/8"}) {
    CAPTURE(text);
    CHECK_FALSE(Cidr::parse(text));
  }
}

TEST_CASE("endpoint: brackets belong to IPv6 alone") {
  CHECK(Endpoint::parse("[::1]:80")->to_string() == "[::1]:80");
  CHECK(Endpoint::parse("1.2.3.4:0")->port == 0);
  for (const char* text :
       {"::1:80", "[1.2.3.4]:80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:080", "x:1"}) {
    CAPTURE(text);
    CHECK_FALSE(Endpoint::parse(text));
  }
}

TEST_CASE("endpoint: socket addresses round-trip") {
  for (const char* text : {"127.0.0.1:8080", "[2001:db8::5]:443"}) {
    sockaddr_storage storage{};
    const Endpoint endpoint = *Endpoint::parse(text);
    endpoint.to(storage);
    CHECK(Endpoint::from(storage) == endpoint);
  }
}

TEST_CASE("host and port: names, literals and what only looks like one") {
  CHECK(HostPort::parse("db.internal:5432")->host == "db.internal");
  CHECK(HostPort::parse("[2001:DB8::1]:80")->host == "2001:db8::1");
  CHECK(HostPort::parse("[::1]:80")->to_string() == "[::1]:80");
  for (const char* text : {"db.internal", ":80", "a b:80", "-x:80", "x-:80", "1.2.3:80", "300.1.1.1:80",
                           "a..b:80", "x:0", "u@h:80", "[::1:80", "host:99999", "2130706433:80"}) {
    CAPTURE(text);
    CHECK_FALSE(HostPort::parse(text));
  }
}

TEST_CASE("host name: 253 bytes and labels of 63 are the most") {
  const std::string label(63, 'a');
  CHECK(is_host_name(label));
  CHECK_FALSE(is_host_name(label + "a"));
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  CHECK(is_host_name(longest));
  CHECK(is_host_name(longest + "."));
  CHECK_FALSE(is_host_name(longest + "b"));
  CHECK(is_host_name("_dmarc.example"));
}

}  // namespace arcus
