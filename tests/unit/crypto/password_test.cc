#include "lib/crypto/password.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace arcus;

TEST_CASE("password: what was hashed fits, anything else does not, and no two hashes are the same") {
  const std::string hash = hash_password("geheim");
  CHECK(hash.starts_with("$scrypt$ln=15,r=8,p=1$"));
  CHECK(hash.size() == 22 + 22 + 1 + 43);
  CHECK(is_password_hash(hash));
  CHECK(verify_password(hash, "geheim"));
  for (const char* wrong : {"", "Geheim", "geheim ", "geheimgeheim"}) {
    CAPTURE(wrong);
    CHECK_FALSE(verify_password(hash, wrong));
  }
  CHECK(hash_password("geheim") != hash);
}

TEST_CASE("password: RFC 7914's vector, cut to our length") {
  const std::string hash =
      "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI";
  CHECK(verify_password(hash, "pleaseletmein"));
  CHECK_FALSE(verify_password(hash, "pleaseletmeout"));
}

TEST_CASE("password: hashes of crypt(5) fit too") {
  for (const std::string hash : {"$6$rounds=1000$saltsalt$vqVEzhF1x7x2p0VCWCzOM1GGIpJ62KqdREyqdHXfkzvqLwi."
                                 "vIVwX0AcTW9cDubiR4wA.zOlJTle4lioqe99c1",
                                 "$5$rounds=1000$saltsalt$TWdBOWiYhmVJkQgbrDSNb2rxBkKSiutz24Rm5ti0vID",
                                 "$2b$04$abcdefghijklmnopqrstuuPWRtT5yx7FBi4dcf6ROhboeNunUrLQ.",
                                 "$y$j75$abcdefgh$BNDMLQXNfxYvp1kwneELSFVpSGYRoN6/y0Pa9exxy//"}) {
    CAPTURE(hash);
    CHECK(is_password_hash(hash));
    CHECK(verify_password(hash, "geheim"));
    CHECK_FALSE(verify_password(hash, "geheimer"));
    CHECK_FALSE(verify_password(hash, ""));
  }
}

TEST_CASE("password: no other form is a hash, and nothing fits it") {
  const std::string key = "cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofI";
  for (const std::string& text :
       {std::string{}, std::string{"geheim"}, std::string{"$apr1$abc$def"}, std::string{"$1$salt$hash"},
        "$scrypt$ln=31,r=8,p=1$c2FsdA$" + key, "$scrypt$ln=15,r=64,p=1$c2FsdA$" + key,
        "$scrypt$ln=18,r=8,p=1$c2FsdA$" + key,
        std::string{"$2b$31$abcdefghijklmnopqrstuuPWRtT5yx7FBi4dcf6ROhboeNunUrLQ."},
        std::string{"$6$rounds=999999999$saltsalt$vqVEzhF1x7x2p0VCWCzOM1GGIpJ62KqdREyqdHXfkzvqLwi"},
        std::string{"$y$jZZ$abcdefgh$BNDMLQXNfxYvp1kwneELSFVpSGYRoN6/y0Pa9exxy//"},
        "$scrypt$ln=15,r=8,p=1$$" + key, std::string{"$scrypt$ln=15,r=8,p=1$c2FsdA$short"},
        "$scrypt$ln=15,r=8,p=1$c2FsdA" + key, "$scrypt$ln=,r=8,p=1$c2FsdA$" + key}) {
    CAPTURE(text);
    CHECK_FALSE(is_password_hash(text));
    CHECK_FALSE(verify_password(text, "geheim"));
    CHECK_FALSE(verify_password(text, text));
  }
}

TEST_CASE("password: a NUL, or more than 255 bytes, never fit") {
  const std::string hash = "$5$rounds=1000$saltsalt$TWdBOWiYhmVJkQgbrDSNb2rxBkKSiutz24Rm5ti0vID";
  CHECK_FALSE(verify_password(hash, std::string_view{"geheim\0x", 8}));
  CHECK_FALSE(verify_password(hash_password("x"), std::string(max_password + 1, 'x')));
  const std::string longest(max_password, 'x');
  CHECK(verify_password(hash_password(longest), longest));
}

TEST_CASE("password: made up ones are letters and digits, and differ") {
  std::set<std::string> made;
  for (int i = 0; i < 200; ++i) made.insert(generate_password());
  CHECK(made.size() == 200);
  for (const std::string& one : made) {
    CHECK(one.size() == 20);
    CHECK(one.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
          std::string::npos);
  }
}
