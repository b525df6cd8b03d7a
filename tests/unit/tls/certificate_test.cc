#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/tls/certificate.h"
#include "tests/unit/tls/made.h"

using namespace arcus;
using namespace arcus::test;
using namespace std::chrono_literals;

/// What check_certificate says against `text`; "" when nothing.
static std::string complaint(const CertificateText& text) {
  try {
    check_certificate(text, wall_now());
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

static std::string day(int from_now) {
  return to_text(wall_now() + std::chrono::hours(24 * from_now)).substr(0, 10);
}

TEST_CASE("certificate: its facts are read") {
  const CertificateText made =
      make_certificate({.names = {"Example.test", "*.example.test", "192.0.2.7", "2001:db8::1"}});
  const CertificateFacts facts = read_certificate(made.cert_pem, "web");
  CHECK(facts.subject == "CN=Example.test");
  CHECK(facts.issuer == facts.subject);
  CHECK(facts.names ==
        std::vector<std::string>{"example.test", "*.example.test", "192.0.2.7", "2001:db8::1"});
  CHECK(facts.key_type == "EC P-256");
  CHECK(facts.fingerprint.size() == 64);
  CHECK(to_text(facts.not_before).substr(0, 10) == day(-1));
  CHECK(to_text(facts.not_after).substr(0, 10) == day(90));
  CHECK(read_certificate(make_certificate({.key = "RSA-2048"}).cert_pem, "rsa").key_type == "RSA 2048");
}

TEST_CASE("certificate: a good one passes, with its key beside it or in the same text") {
  CertificateText made = make_certificate({});
  CHECK(complaint(made).empty());
  made.cert_pem = made.key_pem + made.cert_pem;
  made.key_pem.clear();
  CHECK(complaint(made).empty());
}

TEST_CASE("certificate: each fault has its sentence") {
  const CertificateText good = make_certificate({});
  const CertificateText other = make_certificate({.key = "RSA-2048"});
  const CertificateText authority = make_certificate({.names = {"Authority"}, .authority = true});
  const std::string what = "certificate \"example.test\" ";
  struct Row {
    CertificateText text;
    std::string complaint;
  };
  const Row rows[] = {
      {{"example.test", good.cert_pem, other.key_pem}, what + "does not belong to its private key"},
      {{"example.test", good.cert_pem, encrypted_key(good)},
       "the key in \"example.test\" is encrypted: keep it without a passphrase"},
      {{"example.test", good.cert_pem, ""}, "there is no private key in \"example.test\""},
      {{"example.test", good.cert_pem, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"},
       "the private key in \"example.test\" cannot be read"},
      {{"example.test", good.key_pem, good.key_pem}, "there is no certificate in \"example.test\""},
      {{"example.test", "", good.key_pem}, "there is no certificate in \"example.test\""},
      {{"example.test", good.cert_pem.substr(0, 200), good.key_pem},
       what + "cannot be read: it is not valid PEM"},
      {{"example.test", good.cert_pem + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        good.key_pem},
       what + "cannot be read: it is not valid PEM"},
      {make_certificate({.first_day = -30, .last_day = -1}), what + "expired on " + day(-1)},
      {make_certificate({.first_day = 2}), what + "is not valid before " + day(2)},
      {make_certificate({.key = "RSA-1024"}),
       what + "has a weak key (RSA 1024): RSA needs 2048 bits, EC 224"},
      {make_certificate({.issuer = &authority, .digest = "SHA1"}),
       what + "is signed with a weak digest (SHA1)"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.complaint);
    CHECK(complaint(row.text) == row.complaint);
  }
}

TEST_CASE("certificate: no truncation of a bundle is mistaken for a good one") {
  const CertificateText made = make_certificate({});
  const std::string bundle = made.key_pem + made.cert_pem;
  for (std::size_t n = 0; n + 1 < bundle.size(); n += 7) {
    CAPTURE(n);
    CHECK_FALSE(complaint({"cut", bundle.substr(0, n), ""}).empty());
  }
}

TEST_CASE("certificate: a pattern covers its name, a star exactly one label") {
  CHECK(name_matches("a.test", "a.test"));
  CHECK_FALSE(name_matches("a.test", "b.a.test"));
  CHECK(name_matches("*.a.test", "b.a.test"));
  CHECK_FALSE(name_matches("*.a.test", "a.test"));
  CHECK_FALSE(name_matches("*.a.test", ".a.test"));
  CHECK_FALSE(name_matches("*.a.test", "c.b.a.test"));
}
