#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "proxies/socks/contacts.h"
#include "proxies/socks/message.h"

using namespace arcus;
using namespace arcus::socks;
using namespace std::string_literals;

namespace {

const std::string v5_head = "\5\1\0"s;

std::string v5_named(const std::string& name) {
  return v5_head + '\3' + static_cast<char>(name.size()) + name + "\1\xbb"s;
}

std::string v4_named(const std::string& user, const std::string& name) {
  return "\4\1\1\xbb\0\0\0\x07"s + user + '\0' + name + '\0';
}

struct Row {
  std::string bytes;
  Version version;
  Command command;
  std::string address;  ///< text; empty = a name
  std::string name;
  std::uint16_t port;
};

const std::vector<Row> good{
    {"\5\1\0\1\x7f\0\0\1\0\x50"s, Version::v5, Command::connect, "127.0.0.1", "", 80},
    {"\5\2\0\1\1\2\3\4\xff\xff"s, Version::v5, Command::bind, "1.2.3.4", "", 65535},
    {"\5\3\0\3\1"
     "0\0\7"s,
     Version::v5, Command::associate, "0.0.0.0", "", 0},
    {"\5\3\0\1\0\0\0\0\0\0"s, Version::v5, Command::associate, "0.0.0.0", "", 0},
    {"\5\1\0\4"s + "\x20\1\x0d\xb8"s + std::string(11, '\0') + "\1\1\xbb"s, Version::v5, Command::connect,
     "2001:db8::1", "", 443},
    {"\5\1\0\4"s + std::string(10, '\0') + "\xff\xff\x0a\0\0\1\0\x50"s, Version::v5, Command::connect,
     "10.0.0.1", "", 80},
    {v5_named("a_b.example.test"), Version::v5, Command::connect, "", "a_b.example.test", 443},
    {v5_named("a.test."), Version::v5, Command::connect, "", "a.test.", 443},
    {v5_named("192.0.2.1"), Version::v5, Command::connect, "192.0.2.1", "", 443},
    {v5_named("::1"), Version::v5, Command::connect, "::1", "", 443},
    {v5_named("[::1]"), Version::v5, Command::connect, "::1", "", 443},
    {v5_named("::ffff:10.0.0.1"), Version::v5, Command::connect, "10.0.0.1", "", 443},
    {"\4\1\0\x50\1\2\3\4\0"s, Version::v4, Command::connect, "1.2.3.4", "", 80},
    {"\4\2\0\x50\1\2\3\4me\0"s, Version::v4, Command::bind, "1.2.3.4", "", 80},
    {"\4\1\0\x50\0\0\0\0\0"s, Version::v4, Command::connect, "0.0.0.0", "", 80},
    {v4_named("me", "a.test"), Version::v4a, Command::connect, "", "a.test", 443},
    {v4_named("", "10.0.0.1"), Version::v4a, Command::connect, "10.0.0.1", "", 443},
    {v4_named(std::string(255, 'u'), std::string(63, 'n')), Version::v4a, Command::connect, "",
     std::string(63, 'n'), 443},
};

struct BadRow {
  std::string bytes;
  Code fault;
};

std::string long_name(std::size_t size) {
  std::string name;
  while (name.size() < size) name += name.size() % 50 == 49 ? '.' : 'a';
  if (name.back() == '.') name.back() = 'a';
  return name;
}

const std::vector<BadRow> bad{
    {"\1"s, Code::granted},
    {"\0"s, Code::granted},
    {"\x16\3\1"s, Code::granted},
    {"GET / HTTP/1.1\r\n"s, Code::granted},
    {"\5\0\0\1"s, Code::command_not_supported},
    {"\5\4\0\1"s, Code::command_not_supported},
    {"\5\xff\0\1"s, Code::command_not_supported},
    {"\5\1\1\1"s, Code::failure},
    {"\5\1\0\0"s, Code::address_not_supported},
    {"\5\1\0\2"s, Code::address_not_supported},
    {"\5\1\0\5"s, Code::address_not_supported},
    {"\4\3\0\x50\1\2\3\4\0"s, Code::command_not_supported},
    {"\4\0\0\x50\1\2\3\4\0"s, Code::command_not_supported},
    {"\4\1\0\x50\1\2\3\4"s + std::string(256, 'u'), Code::failure},
    {"\4\1\0\x50\0\0\0\1\0"s + std::string(256, 'n'), Code::failure},
    {v4_named("me", ""), Code::host_unreachable},
};

const std::vector<std::string> bad_names{
    "",           "127.1",      "0x7f.0.0.1", "0177.0.0.1",
    "2130706433", "127.0.0.01", "1.2.3.4.",   "1.2.3",
    "256.1.1.1",  "a b.test",   "a\tb",       "a\r\nb",
    "a..test",    ".test",      "-a.test",    "a-.test",
    "a/b",        "a%2eb",      "a@b",        "a:80",
    "[::1]:80",   "[::1",       "::1]",       "fe80::1%lo",
    "::g",        "a\xc3\xa4",  "[1.2.3.4]",  "*.test",
    "a.test\0"s,  "a\0.test"s,  "\0"s,        std::string(64, 'l') + ".test"};

}  // namespace

TEST_CASE("socks request: every shorter prefix needs more, the whole parses, what follows is left") {
  for (const Row& row : good) {
    CAPTURE(row.bytes);
    Request request;
    for (std::size_t n = 0; n < row.bytes.size(); ++n) {
      CAPTURE(n);
      CHECK(parse_request(std::string_view{row.bytes}.substr(0, n), request) == Parse::need_more);
    }
    for (const std::string& more : {""s, "x"s, "\5\1\0"s}) {
      REQUIRE(parse_request(row.bytes + more, request) == Parse::done);
      CHECK(request.size == row.bytes.size());
    }
    const std::string bytes = row.bytes;
    REQUIRE(parse_request(bytes, request) == Parse::done);
    CHECK(request.version == row.version);
    CHECK(request.command == row.command);
    CHECK(request.destination.port == row.port);
    CHECK(request.destination.name == row.name);
    CHECK(request.destination.address.has_value() == row.name.empty());
    if (request.destination.address) CHECK(request.destination.address->to_string() == row.address);
  }
}

TEST_CASE("socks login: every shorter prefix needs more, the whole parses, what follows is left") {
  const std::string whole = "\1\3bob\6geheim";
  UserPassword shown;
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CAPTURE(n);
    CHECK(parse_user_password(std::string_view{whole}.substr(0, n), shown) == Parse::need_more);
  }
  const std::string more = whole + "\5\1";
  REQUIRE(parse_user_password(more, shown) == Parse::done);
  CHECK(shown.user == "bob");
  CHECK(shown.password == "geheim");
  CHECK(shown.size == whole.size());
  REQUIRE(parse_user_password("\1\3bob\0"s, shown) == Parse::done);
  CHECK(shown.password.empty());
  CHECK(parse_user_password("\5\3bob\6geheim", shown) == Parse::bad);
  CHECK(parse_user_password("\1\0\6geheim"s, shown) == Parse::bad);
  const std::string longest = "\1\xff" + std::string(255, 'u') + "\xff" + std::string(255, 'p');
  REQUIRE(parse_user_password(longest, shown) == Parse::done);
  CHECK(shown.size == longest.size());
  CHECK(longest.size() <= max_message);
}

TEST_CASE("socks request: what is wrong is named, and never before it can be known") {
  for (const BadRow& row : bad) {
    CAPTURE(row.bytes);
    Request request;
    CHECK(parse_request(row.bytes, request) == Parse::bad);
    CHECK(request.fault == row.fault);
  }
}

TEST_CASE("socks request: names are letters, digits, hyphens and underscores, judged by their length") {
  for (const std::string& name : bad_names) {
    CAPTURE(name);
    Request request;
    CHECK(parse_request(v5_named(name), request) == Parse::bad);
    CHECK(request.fault == Code::host_unreachable);
  }
  Request request;
  const std::string longest = v5_named(long_name(253));
  CHECK(parse_request(longest, request) == Parse::done);
  CHECK(parse_request(v5_named(long_name(252) + '.'), request) == Parse::done);
  CHECK(parse_request(v5_named(long_name(253) + '.'), request) == Parse::bad);
  for (const std::size_t size : {254U, 255U}) {
    CHECK(parse_request(v5_named(long_name(size)), request) == Parse::bad);
    CHECK(request.fault == Code::host_unreachable);
    CHECK(parse_request(v4_named("", long_name(size)), request) == Parse::bad);
  }
}

TEST_CASE("socks request: any byte changed to any other is read within bounds") {
  for (const Row& row : good) {
    for (std::size_t at = 0; at < row.bytes.size(); ++at) {
      for (int value = 0; value < 256; ++value) {
        std::string bytes = row.bytes;
        bytes[at] = static_cast<char>(value);
        Request request;
        const Parse result = parse_request(bytes, request);
        if (result != Parse::done) continue;
        CHECK(request.size <= bytes.size());
        CHECK(request.destination.address.has_value() == request.destination.name.empty());
      }
    }
  }
}

TEST_CASE("socks request: a message that never ends is refused before 600 bytes") {
  for (const std::string& head :
       {"\4\1\0\x50\1\2\3\4"s, "\4\1\0\x50\0\0\0\1"s, "\5\1\0\3\xff"s, "\5\1\0\1"s}) {
    for (const char filler : {'a', '\0', '\xff'}) {
      Request request;
      CHECK(parse_request(head + std::string(max_message - head.size(), filler), request) !=
            Parse::need_more);
    }
  }
}

TEST_CASE("socks greeting: every prefix needs more, methods are found") {
  const std::string whole = "\5\3\0\2\x80"s;
  Greeting greeting;
  for (std::size_t n = 0; n < whole.size(); ++n)
    CHECK(parse_greeting(std::string_view{whole}.substr(0, n), greeting) == Parse::need_more);
  REQUIRE(parse_greeting(whole, greeting) == Parse::done);
  CHECK(greeting.size == 5);
  CHECK(greeting.offers(Method::none));
  CHECK(greeting.offers(Method::password));
  REQUIRE(parse_greeting("\5\0"s, greeting) == Parse::done);
  CHECK_FALSE(greeting.offers(Method::none));
  const std::string most = "\5\xff"s + std::string(254, '\1') + '\0';
  for (std::size_t n = 0; n < most.size(); ++n)
    CHECK(parse_greeting(std::string_view{most}.substr(0, n), greeting) == Parse::need_more);
  REQUIRE(parse_greeting(most, greeting) == Parse::done);
  CHECK(greeting.offers(Method::none));
  for (int first = 0; first < 256; ++first) {
    const std::string bytes{static_cast<char>(first), 1, 0};
    CHECK((parse_greeting(bytes, greeting) == Parse::done) == (first == 5));
  }
}

TEST_CASE("socks reply: as RFC 1928 and SOCKS4 write it") {
  std::array<char, max_reply> out;
  const auto reply = [&](Version version, Code code, const char* bound) {
    return std::string{out.data(), write_reply(version, code, *Endpoint::parse(bound), out)};
  };
  CHECK(reply(Version::v5, Code::granted, "1.2.3.4:258") == "\5\0\0\1\1\2\3\4\1\2"s);
  CHECK(reply(Version::v5, Code::not_allowed, "[::1]:80") ==
        "\5\2\0\4"s + std::string(15, '\0') + "\1\0\x50"s);
  CHECK(reply(Version::v4, Code::granted, "1.2.3.4:258") == "\0\x5a\1\2\1\2\3\4"s);
  CHECK(reply(Version::v4a, Code::connection_refused, "[::1]:1") == "\0\x5b\0\1\0\0\0\0"s);
}

TEST_CASE("socks datagram: fragments, junk and every truncated head are dropped") {
  for (const std::string& place :
       {"\1\1\2\3\4\0\x35"s, "\3\6a.test\0\x35"s, "\4"s + std::string(16, 'v') + "\0\x35"s}) {
    const std::string head = "\0\0\0"s + place;
    Datagram datagram;
    for (std::size_t n = 0; n < head.size(); ++n)
      CHECK_FALSE(parse_datagram(std::string_view{head}.substr(0, n), datagram));
    REQUIRE(parse_datagram(head, datagram));
    CHECK(datagram.payload.empty());
    const std::string whole = head + "payload";
    REQUIRE(parse_datagram(whole, datagram));
    CHECK(datagram.payload == "payload");
    CHECK(datagram.destination.port == 53);
    for (const std::size_t at : {0U, 1U, 2U}) {
      std::string changed = whole;
      changed[at] = 1;
      CHECK_FALSE(parse_datagram(changed, datagram));
    }
    std::string type = whole;
    type[3] = 2;
    CHECK_FALSE(parse_datagram(type, datagram));
  }
}

TEST_CASE("socks datagram: the head of an answer is read back") {
  for (const char* text : {"1.2.3.4:53", "[2001:db8::1]:65535"}) {
    std::array<char, max_reply + 3> buffer;
    buffer.fill('x');
    char* end = buffer.data() + max_reply;
    const char* begin = write_datagram_head(*Endpoint::parse(text), end);
    CHECK(begin >= buffer.data());
    Datagram datagram;
    REQUIRE(
        parse_datagram({begin, static_cast<std::size_t>(buffer.data() + buffer.size() - begin)}, datagram));
    CHECK(datagram.payload == "xxx");
    CHECK(Endpoint{*datagram.destination.address, datagram.destination.port}.to_string() == text);
  }
}

TEST_CASE("socks contacts: the oldest is forgotten for a new one") {
  Contacts contacts;
  const auto nth = [](std::size_t n) { return Endpoint{IpAddress::v4(static_cast<std::uint32_t>(n)), 1}; };
  for (std::size_t i = 0; i < Contacts::capacity; ++i) {
    contacts.add(nth(i));
    contacts.add(nth(i));
  }
  CHECK(contacts.size() == Contacts::capacity);
  CHECK(contacts.contains(nth(0)));
  CHECK_FALSE(contacts.contains({nth(0).address, 2}));
  contacts.add(nth(5000));
  CHECK_FALSE(contacts.contains(nth(0)));
  CHECK(contacts.contains(nth(1)));
  CHECK(contacts.contains(nth(5000)));
  CHECK(contacts.size() == Contacts::capacity);
  contacts.clear();
  CHECK_FALSE(contacts.contains(nth(1)));
}
