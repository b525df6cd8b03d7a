#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/net/proxy_header.h"

using namespace arcus;
using namespace std::string_literals;

namespace {

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;

/// A header of version 2 with that command, family, and what follows the length.
std::string v2(char command, char family, const std::string& rest) {
  return signature + command + family + static_cast<char>(rest.size() >> 8) +
         static_cast<char>(rest.size() & 0xff) + rest;
}

const std::string v4_block =
    "\x0a\x00\x00\x01\xc0\x00\x02\x07\x30\x39\x01\xbb"s;  // 10.0.0.1:12345 > 192.0.2.7:443

std::string v6_block() {
  return "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + "\x20\x01\x0d\xb8"s + std::string(11, '\0') +
         "\x02" + "\x30\x39\x01\xbb";
}

struct Row {
  const char* what;
  std::string bytes;
  std::string source;  ///< empty = the connection's own addresses hold
};

std::vector<Row> good() {
  return {
      {"v1 tcp4", "PROXY TCP4 10.0.0.1 192.0.2.7 12345 443\r\n", "10.0.0.1:12345"},
      {"v1 tcp6", "PROXY TCP6 2001:db8::1 2001:db8::2 12345 443\r\n", "[2001:db8::1]:12345"},
      {"v1 mapped", "PROXY TCP6 ::ffff:10.0.0.1 ::ffff:10.0.0.2 1 2\r\n", "10.0.0.1:1"},
      {"v1 port 0", "PROXY TCP4 10.0.0.1 192.0.2.7 0 65535\r\n", "10.0.0.1:0"},
      {"v1 unknown", "PROXY UNKNOWN\r\n", ""},
      {"v1 unknown with words", "PROXY UNKNOWN ff ff 65535 65535\r\n", ""},
      {"v1 longest", "PROXY UNKNOWN " + std::string(91, 'x') + "\r\n", ""},
      {"v2 tcp4", v2('\x21', '\x11', v4_block), "10.0.0.1:12345"},
      {"v2 tcp6", v2('\x21', '\x21', v6_block()), "[2001:db8::1]:12345"},
      {"v2 fields", v2('\x21', '\x11', v4_block + "\x02\x00\x03one\x04\x00\x00"s), "10.0.0.1:12345"},
      {"v2 checksum",
       v2('\x21', '\x11',
          v4_block + "\x03\x00\x04"
                     "\x9c\x9f\x43\xfe"s),
       "10.0.0.1:12345"},
      {"v2 checksum among fields",
       v2('\x21', '\x11',
          v4_block + "\x01\x00\x02"
                     "h2"
                     "\x03\x00\x04"
                     "\x90\x1c\x09\xbf"
                     "\x04\x00\x01\x00"s),
       "10.0.0.1:12345"},
      {"v2 local", v2('\x20', '\x00', ""), ""},
      {"v2 local with anything", v2('\x20', '\x7f', "junk"), ""},
      {"v2 unspecified", v2('\x21', '\x00', "whatever"), ""},
      {"v2 unix", v2('\x21', '\x31', std::string(216, 'u')), ""},
      {"v2 longest", v2('\x21', '\x11', v4_block + "\x04\x0f\xe1"s + std::string(0xfe1, 'n')),
       "10.0.0.1:12345"},
  };
}

}  // namespace

TEST_CASE("proxy header: every shorter prefix needs more, the whole parses, what follows is not looked at") {
  for (const Row& row : good()) {
    CAPTURE(row.what);
    ProxyHeader header;
    for (std::size_t n = 0; n < row.bytes.size(); ++n) {
      CAPTURE(n);
      REQUIRE(parse_proxy_header(row.bytes.substr(0, n), header) == ProxyParse::need_more);
    }
    for (const std::string& tail : {""s, "G"s, std::string(9000, '\0'), row.bytes}) {
      REQUIRE(parse_proxy_header(row.bytes + tail, header) == ProxyParse::done);
      CHECK(header.size == row.bytes.size());
      CHECK(header.has_addresses == !row.source.empty());
      if (header.has_addresses) CHECK(header.source.to_string() == row.source);
    }
  }
}

TEST_CASE("proxy header: nothing else passes") {
  const std::vector<std::string> bad = {
      "GET / HTTP/1.1\r\n",
      "\x16\x03\x01",
      "PROXX",
      "proxy TCP4 10.0.0.1 192.0.2.7 1 2\r\n",
      "PROXY  TCP4 10.0.0.1 192.0.2.7 1 2\r\n",
      "PROXY TCP5",
      "PROXY UDP4 10.0.0.1 192.0.2.7 1 2\r\n",
      "PROXY \r\n",
      "PROXY TCP4\r\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 1\r\n",
      "PROXY TCP4 10.0.0.1  192.0.2.7 1 2\r\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 1 2 \r\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 1 2 3\r\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 1 65536\r\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 1 +2\r\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 01 2\r\n",
      "PROXY TCP4 010.0.0.1 192.0.2.7 1 2\r\n",
      "PROXY TCP4 ::1 ::1 1 2\r\n",
      "PROXY TCP6 10.0.0.1 10.0.0.2 1 2\r\n",
      "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 1 2\n",
      "PROXY TCP4 10.0.0.1 192.0.2.7 1 2\r\r\n",
      "PROXY TCP4 10.0.0.1\r192.0.2.7 1 2\r\n",
      "PROXY TCP4 10.0.0.1\t192.0.2.7 1 2\r\n",
      "PROXY UNKNOWNS\r\n",
      "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n",
      "PROXY UNKNOWN " + std::string(93, 'x'),
      "\r\n\r\n\r\n",
      signature + "\x11",
      signature + "\x22",
      signature + "\x21\x12",
      signature + "\x21\x22",
      signature + "\x21\x13",
      signature + "\x21\x41",
      v2('\x21', '\x11', v4_block.substr(0, 11)),
      v2('\x21', '\x21', v6_block().substr(0, 35)),
      v2('\x21', '\x31', std::string(215, 'u')),
      v2('\x21', '\x11', v4_block + "\x01"),
      v2('\x21', '\x11', v4_block + "\x01\x00\x02x"s),
      v2('\x21', '\x11',
         v4_block + "\x03\x00\x04"
                    "\x9d\x9f\x43\xfe"s),
      v2('\x21', '\x11',
         v4_block + "\x03\x00\x04"
                    "\x00\x00\x00\x00"s),
      v2('\x21', '\x11',
         v4_block + "\x03\x00\x02"
                    "\x00\x00"s),
      v2('\x21', '\x11',
         v4_block + "\x03\x00\x04"
                    "\x9c\x9f\x43\xfe"
                    "\x04\x00\x00"s),
      v2('\x21', '\x11', std::string(4081, '\0')).substr(0, 16),
      v2('\x20', '\x00', std::string(60'000, '\0')).substr(0, 16),
  };
  for (const std::string& bytes : bad) {
    CAPTURE(bytes);
    ProxyHeader header;
    CHECK(parse_proxy_header(bytes, header) == ProxyParse::bad);
  }
}

TEST_CASE("proxy header: what is written is read back, mixed families as IPv6") {
  const Endpoint v4{*IpAddress::parse("10.0.0.1"), 12345};
  const Endpoint other{*IpAddress::parse("192.0.2.7"), 443};
  const Endpoint v6{*IpAddress::parse("2001:db8::1"), 1};
  CHECK(write_proxy_header(1, v4, other) == "PROXY TCP4 10.0.0.1 192.0.2.7 12345 443\r\n");
  CHECK(write_proxy_header(1, v4, v6) == "PROXY TCP6 ::ffff:10.0.0.1 2001:db8::1 12345 1\r\n");
  CHECK(write_proxy_header(2, v4, other) == v2('\x21', '\x11', v4_block));
  for (const int version : {1, 2}) {
    for (const auto& [from, to] : {std::pair{v4, other}, {v6, v6}, {v4, v6}, {v6, v4}}) {
      const std::string bytes = write_proxy_header(version, from, to);
      CAPTURE(bytes);
      ProxyHeader header;
      REQUIRE(parse_proxy_header(bytes, header) == ProxyParse::done);
      CHECK(header.version == version);
      CHECK(header.size == bytes.size());
      CHECK(header.source == from);
      CHECK(header.destination == to);
    }
  }
}
