#include <doctest/doctest.h>

#include "lib/base/error.h"
#include "lib/tls/issue.h"
#include "tests/unit/tls/made.h"

using namespace arcus;
using namespace arcus::test;

static std::string refusal(const CertificateWish& wish, const CertificateText* issuer = nullptr) {
  try {
    issue_certificate(wish, issuer, wall_now());
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST_CASE("issue: a certificate of its own says what was wished, and can serve") {
  const WallTime now = wall_now();
  for (const char* kind : {"ec", "rsa"}) {
    const CertificateText made =
        issue_certificate({.names = {"example.test", "*.example.test", "192.0.2.7", "2001:db8::1"},
                           .lifetime = std::chrono::hours{48},
                           .key_type = kind},
                          nullptr, now);
    const CertificateFacts facts = check_certificate(made, now);
    CHECK(facts.subject == "CN=example.test");
    CHECK(facts.issuer == facts.subject);
    CHECK(facts.names ==
          std::vector<std::string>{"example.test", "*.example.test", "192.0.2.7", "2001:db8::1"});
    CHECK(facts.not_after - facts.not_before == std::chrono::hours{48});
    CHECK(facts.not_before <= now);
    CHECK(facts.key_type == (std::string{kind} == "ec" ? "EC P-256" : "RSA 2048"));
  }
}

TEST_CASE("issue: only an authority signs, and no two certificates are the same") {
  const CertificateText authority =
      issue_certificate({.names = {"An Authority, of ours"}, .authority = true}, nullptr, wall_now());
  const CertificateText one = issue_certificate({.names = {"one.test"}}, &authority, wall_now());
  const CertificateText two = issue_certificate({.names = {"one.test"}}, &authority, wall_now());
  CHECK(read_certificate(one.cert_pem, "one").issuer == read_certificate(authority.cert_pem, "ca").subject);
  CHECK(read_certificate(one.cert_pem, "one").fingerprint !=
        read_certificate(two.cert_pem, "two").fingerprint);
  CHECK(refusal({.names = {"two.test"}}, &one).find("is no authority") != std::string::npos);
}

TEST_CASE("issue: names that cannot stand in a certificate are refused") {
  for (const char* name :
       {"", "a b", "a,DNS:b", "UPPER.test", "*", "a.*.test", "-a.test", "a\nb", "xn\xc3\xa4.test"}) {
    CAPTURE(name);
    CHECK(refusal({.names = {name}}).find("is no name for a certificate") != std::string::npos);
  }
  CHECK(refusal({.names = {}}) == "a certificate needs a name");
  CHECK(refusal({.names = {"a.test"}, .key_type = "dsa"}).find("a key is ec or rsa") != std::string::npos);
}

TEST_CASE("issue: what is shown to others has no key in it") {
  const CertificateText made = make_certificate({});
  const std::string shown = certificates_only(made.key_pem + "a comment\n" + made.cert_pem, "made");
  CHECK(shown.find("PRIVATE") == std::string::npos);
  CHECK(shown.find("comment") == std::string::npos);
  CHECK(read_certificate(shown, "shown").fingerprint == read_certificate(made.cert_pem, "made").fingerprint);
}

TEST_CASE("issue: a request is signed with the certificate's key and has its names") {
  const std::string request = make_signing_request(make_certificate({.names = {"a.test", "b.test"}}));
  CHECK(request.starts_with("-----BEGIN CERTIFICATE REQUEST-----"));
  CHECK_THROWS_AS(make_signing_request({.name = "x", .cert_pem = "nothing", .key_pem = {}}), Error);
}
