#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "lib/base/text.h"

namespace arcus {

TEST_CASE("nearest word: within two edits, and a swap counts as one") {
  const std::vector<std::string> words{"port", "backend", "listen", "web"};
  CHECK(nearest_word("prot", words) == "port");
  CHECK(nearest_word("backnd", words) == "backend");
  CHECK(nearest_word("wbe", words) == "web");
  CHECK(nearest_word("back", words) == "backend");
  CHECK_FALSE(nearest_word("bac", words));
  CHECK_FALSE(nearest_word("zzzzz", words));
  CHECK_FALSE(nearest_word("xyz", words));
}

TEST_CASE("glob: star and question mark, the whole text") {
  CHECK(glob_match("acme/*", "acme/web"));
  CHECK(glob_match("*b", "acme/web"));
  CHECK(glob_match("a?me/*e*", "acme/web"));
  CHECK_FALSE(glob_match("acme", "acme/web"));
  CHECK_FALSE(glob_match("", "a"));
  CHECK(glob_match("*", ""));
}

TEST_CASE("glob: a hostile pattern does not take forever") {
  CHECK_FALSE(glob_match("*a*a*a*a*a*a*a*a*a*b", std::string(5000, 'a')));
}

TEST_CASE("terminal escape: control bytes and broken UTF-8 become visible") {
  CHECK(escape_terminal("a\x1b[0m") == "a\\x1B[0m");
  CHECK(escape_terminal("ä→") == "ä→");
  CHECK(escape_terminal("\xff") == "\\xFF");
  CHECK(escape_terminal("\xc2\x9b") == "\\xC2\\x9B");
  CHECK(escape_terminal("\xed\xa0\x80") == "\\xED\\xA0\\x80");
}

TEST_CASE("percent encoding: only unreserved bytes stay") {
  CHECK(percent_encode("a b%\n") == "a%20b%25%0A");
  CHECK(percent_encode("/x?y", "/?") == "/x?y");
}

TEST_CASE("UTF-8: overlong forms, surrogates and cut sequences are refused") {
  CHECK(is_utf8("grüße 𝄞"));
  for (const char* text :
       {"\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80"})
    CHECK_FALSE(is_utf8(text));
}

TEST_CASE("name: the registry's grammar") {
  CHECK(is_name("a"));
  CHECK(is_name("0.x_y-z"));
  CHECK(is_name(std::string(63, 'a')));
  for (const std::string& text : {std::string{}, std::string{"A"}, std::string{"-a"}, std::string{"a b"},
                                  std::string{"a/b"}, std::string(64, 'a'), std::string{".a"}})
    CHECK_FALSE(is_name(text));
}

TEST_CASE("base64: RFC 4648's vectors both ways, and nothing else is taken") {
  const std::pair<std::string, std::string> rows[] = {{"", ""},
                                                      {"f", "Zg=="},
                                                      {"fo", "Zm8="},
                                                      {"foo", "Zm9v"},
                                                      {"foob", "Zm9vYg=="},
                                                      {"fooba", "Zm9vYmE="},
                                                      {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : rows) {
    CAPTURE(plain);
    CHECK(base64(plain) == text);
    CHECK(from_base64(text) == plain);
  }
  CHECK(from_base64("Zm8") == "fo");
  for (const char* bad : {"Z", "Zg=x", "Zm9v!", "Zh==", "Zm9=", " Zg==", "Zm9vY"}) {
    CAPTURE(bad);
    CHECK_FALSE(from_base64(bad));
  }
}

TEST_CASE("split and join are inverse") {
  CHECK(split("a,,b", ',') == std::vector<std::string>{"a", "", "b"});
  CHECK(join(split("a,,b", ','), ",") == "a,,b");
  CHECK(trim(" \ta b ") == "a b");
}

}  // namespace arcus
