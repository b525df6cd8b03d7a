#include "lib/crypto/secret.h"

#include <doctest/doctest.h>

#include "lib/base/text.h"

using namespace arcus;

TEST_CASE("MAC: the same parts under the same key, and nothing else, give the same") {
  std::array<unsigned char, 32> key{};
  const Mac mac = mac_of(key, {"tenant", "bob", "geheim"});
  CHECK(mac_of(key, {"tenant", "bob", "geheim"}) == mac);
  CHECK(mac_of(key, {"tenant", "bobg", "eheim"}) != mac);
  CHECK(mac_of(key, {"tenant", "bob", "geheim", ""}) != mac);
  key[31] = 1;
  CHECK(mac_of(key, {"tenant", "bob", "geheim"}) != mac);
}

TEST_CASE("secret: whole where it went, nothing where it was") {
  Secret one("a password that needs the heap");
  Secret two(std::move(one));
  CHECK(one.text().empty());  // NOLINT: that is the point
  CHECK(two.text() == "a password that needs the heap");
  Secret three;
  three = std::move(two);
  CHECK(three.text() == "a password that needs the heap");
  std::string text = "short";
  const char* at = text.data();
  wipe(text);
  CHECK(text.empty());
  CHECK(std::string_view{at, 5} == std::string_view{"\0\0\0\0\0", 5});
}

TEST_CASE("equal_secretly: equal or not") {
  CHECK(equal_secretly("", ""));
  CHECK(equal_secretly("abc", "abc"));
  CHECK_FALSE(equal_secretly("abc", "abd"));
  CHECK_FALSE(equal_secretly("abc", "ab"));
}
