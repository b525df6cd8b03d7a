#include <doctest/doctest.h>

#include <string>

#include "lib/http/target.h"

using namespace arcus;
using namespace arcus::http;

TEST_CASE("authority: what is accepted") {
  struct Row {
    const char* text;
    const char* host;
    std::uint16_t port;
    bool literal;
  };
  for (const Row& row :
       {Row{"a.test", "a.test", 0, false}, Row{"A_b.test:80", "A_b.test", 80, false},
        Row{"a.test.:65535", "a.test.", 65535, false}, Row{"127.0.0.1:1", "127.0.0.1", 1, true},
        Row{"[::1]", "::1", 0, true}, Row{"[::ffff:127.0.0.1]:443", "::ffff:127.0.0.1", 443, true},
        Row{"xn--bcher-kva.example", "xn--bcher-kva.example", 0, false},
        Row{"1.2.3.4.example", "1.2.3.4.example", 0, false}}) {
    CAPTURE(row.text);
    Authority authority;
    REQUIRE(parse_authority(row.text, authority));
    CHECK(authority.text == row.text);
    CHECK(authority.host == row.host);
    CHECK(authority.port == row.port);
    CHECK(authority.literal.has_value() == row.literal);
  }
}

TEST_CASE("authority: every other way to write an address or name is refused") {
  for (const std::string& text : {std::string{},
                                  std::string{":80"},
                                  std::string{"127.1"},
                                  std::string{"127.0.0.01"},
                                  std::string{"0x7f.1"},
                                  std::string{"0x7f000001"},
                                  std::string{"2130706433"},
                                  std::string{"017700000001"},
                                  std::string{"127.0.0.1."},
                                  std::string{"1.2.3.256"},
                                  std::string{"1.2.3.4.5"},
                                  std::string{"a.0x1"},
                                  std::string{"%31.1.1.1"},
                                  std::string{"\xef\xbc\x91.1.1.1"},
                                  std::string{"::1"},
                                  std::string{"[::1"},
                                  std::string{"[::1]x"},
                                  std::string{"[::1%25lo]"},
                                  std::string{"[127.0.0.1]"},
                                  std::string{"[v1.x]"},
                                  std::string{"a.test:"},
                                  std::string{"a.test:0"},
                                  std::string{"a.test:65536"},
                                  std::string{"a.test:+1"},
                                  std::string{"a.test:080"},
                                  std::string{"a.test:80:80"},
                                  std::string{"u@a.test"},
                                  std::string{"a..test"},
                                  std::string{".a"},
                                  std::string{"-a"},
                                  std::string{"a\\b"},
                                  std::string{"a b"},
                                  std::string{"a/b"},
                                  std::string("a\0b", 3),
                                  std::string(254, 'a'),
                                  std::string(64, 'a') + ".test"}) {
    CAPTURE(text);
    Authority authority;
    CHECK_FALSE(parse_authority(text, authority));
  }
}

TEST_CASE("target: the four forms") {
  Target target;
  CHECK_FALSE(parse_target("/a?b", Method::get, target));
  CHECK(target.form == TargetForm::origin);
  CHECK(target.path == "/a?b");
  CHECK_FALSE(parse_target("HTTP://a.test?q", Method::get, target));
  CHECK(target.form == TargetForm::absolute);
  CHECK(target.authority.port == 80);
  CHECK(target.path == "?q");
  CHECK_FALSE(parse_target("a.test:443", Method::connect, target));
  CHECK(target.form == TargetForm::authority);
  CHECK_FALSE(parse_target("*", Method::options, target));
  CHECK(target.form == TargetForm::asterisk);
}

TEST_CASE("target: an https URI is not fetched in the clear") {
  Target target;
  CHECK(parse_target("https://a.test/", Method::get, target) == Fault{501, Reason::unsupported_method});
  CHECK(parse_target("https://u@a.test/", Method::get, target) == bad_request);
}

TEST_CASE("method: names are exact") {
  CHECK(find_method("GET") == Method::get);
  CHECK(find_method("DELETE") == Method::delete_);
  CHECK(find_method("get") == Method::other);
  CHECK(find_method("GETS") == Method::other);
  CHECK_FALSE(is_idempotent(Method::post));
  CHECK(is_idempotent(Method::put));
}
