#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "lib/base/error.h"
#include "lib/daemon/certificates.h"
#include "lib/daemon/desired_config.h"
#include "tests/unit/daemon/support.h"
#include "tests/unit/tls/made.h"

using namespace arcus;
using namespace arcus::daemon;
using arcus::test::make_certificate;

namespace {

void write(const std::string& path, const std::string& text, ::mode_t mode = 0600) {
  std::ofstream{path, std::ios::binary} << text;
  ::chmod(path.c_str(), mode);
}

/// A server row whose certificate stands in a folder of its own.
struct Site {
  explicit Site(std::chrono::milliseconds rotation = std::chrono::hours{12})
      : made(make_certificate({.names = {"one.test"}})), certificates(rotation) {
    write(cert, made.cert_pem, 0644);
    write(key, made.key_pem);
    desired.server.id = "0123456789ab";
    desired.server.enable_tls = true;
    desired.server.tls_cert_path = cert;
    desired.server.tls_key_path = key;
  }
  wire::ServerConfig fill() {
    wire::ServerConfig config = server_config(desired);
    certificates.fill(desired, config);
    return config;
  }
  std::string complaint() {
    try {
      fill();
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  }
  std::string at(const std::string& name) const { return (folder.path / name).string(); }

  TestFolder folder;
  std::string cert = at("cert.pem");
  std::string key = at("key.pem");
  CertificateText made;
  registry::DesiredServer desired;
  Certificates certificates;
};

}  // namespace

TEST_CASE("certificates: chain and key become text, with ticket keys that stay and an end of validity") {
  Site site;
  const wire::ServerConfig first = site.fill();
  REQUIRE(first.tls.certificates.size() == 1);
  CHECK(first.tls.enabled);
  CHECK(first.tls.certificates[0].cert_pem == site.made.cert_pem);
  CHECK(first.tls.certificates[0].key_pem == site.made.key_pem);
  REQUIRE(first.tls.ticket_keys.size() == 1);
  CHECK(first.tls.ticket_keys[0].size() == 160);
  CHECK(site.fill() == first);
  REQUIRE(site.certificates.expiry(site.desired.server.id));
  CHECK(*site.certificates.expiry(site.desired.server.id) > wall_now() + std::chrono::hours(24 * 80));
  Site other;
  CHECK(other.fill().tls.ticket_keys != first.tls.ticket_keys);
}

TEST_CASE("certificates: a ticket key is due in its time; the one before it is kept, older ones are not") {
  Site site{std::chrono::milliseconds{0}};
  const auto first = site.fill().tls.ticket_keys;
  CHECK(site.certificates.changed().size() == 1);
  const auto second = site.fill().tls.ticket_keys;
  const auto third = site.fill().tls.ticket_keys;
  REQUIRE(first.size() == 1);
  REQUIRE(second.size() == 2);
  REQUIRE(third.size() == 2);
  CHECK(second[0] != first[0]);
  CHECK(second[1] == first[0]);
  CHECK(third[1] == second[0]);
}

TEST_CASE("certificates: a key that others may read is refused, one for its group is not") {
  Site site;
  for (const ::mode_t mode : {0644U, 0604U, 0602U, 0601U}) {
    CAPTURE(mode);
    ::chmod(site.key.c_str(), mode);
    CHECK(site.complaint() == "the key \"" + site.key + "\" is open to every user of this host");
  }
  ::chmod(site.key.c_str(), 0640);
  CHECK(site.complaint().empty());
  write(site.cert, site.made.cert_pem + site.made.key_pem, 0644);
  site.desired.server.tls_key_path.reset();
  CHECK(site.complaint() ==
        "the certificate and key \"" + site.cert + "\" is open to every user of this host");
  ::chmod(site.cert.c_str(), 0600);
  CHECK(site.complaint().empty());
}

TEST_CASE("certificates: what cannot be read or cannot serve has a sentence") {
  Site site;
  site.desired.server.tls_cert_path = site.at("gone.pem");
  CHECK(site.complaint() ==
        "the certificate \"" + site.at("gone.pem") + "\" cannot be read: no such file or directory");
  site.desired.server.tls_cert_path = "/dev/null";
  CHECK(site.complaint() == "the certificate \"/dev/null\" is not a file");
  site.desired.server.tls_cert_path = site.cert;
  write(site.key, make_certificate({}).key_pem);
  CHECK(site.complaint() == "certificate \"" + site.cert + "\" does not belong to its private key");
  site.desired.server.client_auth = "require";
  site.desired.server.client_ca_path = site.at("ca.pem");
  CHECK(site.complaint() ==
        "the file of authorities \"" + site.at("ca.pem") + "\" cannot be read: no such file or directory");
}

TEST_CASE(
    "certificates: a folder gives its bundles in the order of their names, hidden and other files aside") {
  Site site;
  const std::string folder = site.at("certs");
  std::filesystem::create_directory(folder);
  site.desired.server.tls_cert_path = folder;
  CHECK(site.complaint() ==
        "\"" + folder + "\" is a folder: each of its files holds its own key, so there is no key file");
  site.desired.server.tls_key_path.reset();
  CHECK(site.complaint() == "there is no file *.pem in \"" + folder + "\"");
  for (const std::string name : {"b.pem", "a.pem", ".c.pem", "README"}) {
    const CertificateText made = make_certificate({.names = {name + ".test"}});
    write(folder + "/" + name, made.cert_pem + made.key_pem);
  }
  const wire::ServerConfig config = site.fill();
  REQUIRE(config.tls.certificates.size() == 2);
  CHECK(config.tls.certificates[0].name == folder + "/a.pem");
  CHECK(config.tls.certificates[1].name == folder + "/b.pem");
  write(folder + "/b.pem", "broken");
  CHECK(site.complaint() == "there is no certificate in \"" + folder + "/b.pem\"");
}

TEST_CASE("certificates: a replaced, changed, removed or added file is noticed, once it is read no more") {
  Site site;
  site.fill();
  const std::vector<std::string> all{site.desired.server.id};
  CHECK(site.certificates.changed().empty());
  std::filesystem::copy_file(site.cert, site.at("next.pem"));
  std::filesystem::rename(site.at("next.pem"), site.cert);
  CHECK(site.certificates.changed() == all);
  site.fill();
  CHECK(site.certificates.changed().empty());
  std::filesystem::last_write_time(site.key,
                                   std::filesystem::file_time_type::clock::now() + std::chrono::seconds(5));
  CHECK(site.certificates.changed() == all);
  site.fill();
  std::filesystem::remove(site.cert);
  CHECK(site.certificates.changed() == all);
  CHECK_FALSE(site.complaint().empty());
  CHECK(site.certificates.changed().empty());  // known to be gone
  write(site.cert, site.made.cert_pem);
  CHECK(site.certificates.changed() == all);
  site.certificates.forget(all[0]);
  CHECK(site.certificates.changed().empty());
}

TEST_CASE("certificates: backends get their authorities and passwords") {
  Site site;
  site.desired.server = {};
  site.desired.server.id = "0123456789ab";
  write(site.at("password"), "s3cret\n");
  registry::Backend plain;
  plain.address = "127.0.0.1:80";
  registry::Backend verified = plain;
  verified.tls = true;
  verified.tls_ca_path = site.cert;
  registry::Backend parent = plain;
  parent.role = "parent_https";
  parent.tls_verify = "none";
  parent.user_name = "me";
  parent.password_path = site.at("password");
  site.desired.backends = {plain, verified, parent};
  const wire::ServerConfig config = site.fill();
  CHECK_FALSE(config.tls.enabled);
  CHECK(config.system_ca_pem.empty());
  CHECK(config.backends[0].tls_ca_pem.empty());
  CHECK(config.backends[1].tls_ca_pem == site.made.cert_pem);
  CHECK(config.backends[2].password == "s3cret");
  ::chmod(site.at("password").c_str(), 0644);
  CHECK(site.complaint() ==
        "the password file \"" + site.at("password") + "\" is open to every user of this host");
}
