#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include <optional>

#include "lib/base/error.h"
#include "lib/tls/client_handshake.h"
#include "lib/tls/context.h"
#include "lib/tls/x509.h"
#include "tests/unit/tls/rig.h"

using namespace arcus;
using namespace arcus::test;

namespace {

ServerTlsSettings with_keys(std::vector<std::string> keys, std::string version = {}) {
  ServerTlsSettings settings = plain_server(std::move(version));
  settings.ticket_keys = std::move(keys);
  return settings;
}

/// Whether `client` resumes at `server`; the ticket is fetched for the next time.
bool resumes(const ClientTls& client, const ServerTls& server) {
  Loop loop;
  Pair pair(loop, client, server);
  REQUIRE(pair.shake());
  pair.server->send("x");
  REQUIRE(pair.until([&] { return pair.client->received == "x"; }));
  CHECK(pair.client->layer->was_resumed() == pair.server->layer->was_resumed());
  return pair.server->layer->was_resumed();
}

/// The common name of the certificate that a client asking for `name` gets.
std::string chosen_for(const ServerTls& server, const std::string& name) {
  Loop loop;
  const ClientTls client({.server_name = name, .verify = "none"});
  Pair pair(loop, client, server);
  REQUIRE(pair.shake());
  return pair.client->layer->peer_name();
}

/// A client with a certificate of its own.
std::unique_ptr<TlsLayer> client_with(const CertificateText& own, const std::string& version) {
  const openssl::Context context = openssl::make_context(TLS_client_method(), "1.2", version);
  const auto certificate = std::move(openssl::read_certificates(own.cert_pem, "own").front());
  SSL_CTX_use_certificate(context.get(), certificate.get());
  SSL_CTX_use_PrivateKey(context.get(), openssl::read_key(own.key_pem, "own").get());
  SSL* ssl = SSL_new(context.get());
  SSL_set_connect_state(ssl);
  return std::make_unique<TlsLayer>(ssl);
}

}  // namespace

TEST_CASE("tls resumption: another object with the same keys resumes, as another process would") {
  for (const std::string version : {"1.2", "1.3"}) {
    CAPTURE(version);
    const ServerTls one(with_keys({ticket_key(1)}, version));
    const ServerTls other(with_keys({ticket_key(1)}, version));
    const ClientTls client(careless_client());
    CHECK_FALSE(resumes(client, one));
    CHECK(resumes(client, one));
    CHECK(resumes(client, other));
  }
}

TEST_CASE("tls resumption: after a rotation the old key still counts, one that is gone does not") {
  for (const std::string version : {"1.2", "1.3"}) {
    CAPTURE(version);
    const ClientTls client(careless_client());
    CHECK_FALSE(resumes(client, ServerTls(with_keys({ticket_key(1)}, version))));
    CHECK(resumes(client, ServerTls(with_keys({ticket_key(2), ticket_key(1)}, version))));
    // It was renewed. (OpenSSL's client does not tell of a renewed ticket in TLS 1.2.)
    if (version == "1.3")
      CHECK(resumes(client, ServerTls(with_keys({ticket_key(3), ticket_key(2)}, version))));
    CHECK_FALSE(resumes(client, ServerTls(with_keys({ticket_key(4)}, version))));
  }
}

TEST_CASE(
    "tls resumption: never under another server, never under other demands on clients, never without keys") {
  const CertificateText authority = make_certificate({.names = {"Authority"}, .authority = true});
  for (const std::string version : {"1.2", "1.3"}) {
    CAPTURE(version);
    const ClientTls client(careless_client());
    const ServerTls mine(with_keys({ticket_key(1)}, version));
    ServerTlsSettings settings = with_keys({ticket_key(1)}, version);
    settings.scope = "server-2";
    CHECK_FALSE(resumes(client, mine));
    CHECK_FALSE(resumes(client, ServerTls(settings)));
    CHECK_FALSE(resumes(client, mine));
    settings.scope = "server-1";
    settings.client_auth = "request";
    settings.client_ca_pem = authority.cert_pem;
    CHECK_FALSE(resumes(client, ServerTls(settings)));
    const ServerTls keyless(with_keys({}, version));
    CHECK_FALSE(resumes(client, keyless));
    CHECK_FALSE(resumes(client, keyless));
  }
}

TEST_CASE("tls resumption: a session lives on when the objects that made it are gone") {
  const ClientTls client(careless_client());
  auto server = std::make_unique<ServerTls>(with_keys({ticket_key(1)}));
  Loop loop;
  auto short_lived = std::make_unique<ClientTls>(careless_client());
  Pair pair(loop, *short_lived, *server);
  server.reset();
  short_lived.reset();
  REQUIRE(pair.shake());
  pair.server->send("still here");
  CHECK(pair.until([&] { return pair.client->received == "still here"; }));
}

TEST_CASE("tls names: exact before wildcard, one label for a star, the first when nothing fits") {
  const ServerTls server({.certificates = {make_certificate({.names = {"first.test"}}),
                                           make_certificate({.names = {"*.example.test", "example.test"}}),
                                           make_certificate({.names = {"www.example.test"}})},
                          .scope = "s"});
  struct Row {
    const char* asked;
    const char* chosen;
  };
  for (const Row& row : {Row{"first.test", "first.test"}, Row{"www.example.test", "www.example.test"},
                         Row{"WWW.Example.Test", "www.example.test"}, Row{"a.example.test", "*.example.test"},
                         Row{"example.test", "*.example.test"}, Row{"a.b.example.test", "first.test"},
                         Row{"unknown.test", "first.test"}, Row{"", "first.test"}}) {
    CAPTURE(row.asked);
    CHECK(chosen_for(server, row.asked) == row.chosen);
  }
}

TEST_CASE("tls names: certificates for the same names with two kinds of key, the client chooses") {
  const ServerTls server(
      {.certificates = {make_certificate({.key = "RSA-2048"}), make_certificate({.key = "P-256"})},
       .scope = "s"});
  for (const char* suites : {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"}) {
    CAPTURE(suites);
    Loop loop;
    const openssl::Context context = openssl::make_context(TLS_client_method(), "1.2", "1.2");
    SSL_CTX_set_cipher_list(context.get(), suites);
    SSL* ssl = SSL_new(context.get());
    SSL_set_connect_state(ssl);
    Pair pair(loop, std::make_unique<TlsLayer>(ssl), server.accept());
    CHECK(pair.shake());
    CHECK(pair.server->layer->cipher() == suites);
  }
}

TEST_CASE("tls client certificates: none asks not, request lets in without one, require does not") {
  const CertificateText authority = make_certificate({.names = {"Authority"}, .authority = true});
  const CertificateText known = make_certificate({.names = {"alice"}, .issuer = &authority});
  const CertificateText stranger = make_certificate({.names = {"mallory"}});
  for (const std::string version : {"1.2", "1.3"})
    for (const std::string mode : {"none", "request", "require"}) {
      CAPTURE(version);
      CAPTURE(mode);
      const ServerTls server({.certificates = {certificate()},
                              .client_auth = mode,
                              .client_ca_pem = authority.cert_pem,
                              .scope = "s"});
      const bool asks = mode != "none";
      const auto outcome = [&](std::unique_ptr<TlsLayer> client) {
        Loop loop;
        Pair pair(loop, std::move(client), server.accept());
        pair.shake();
        pair.until([&] { return pair.server->state != Handshake::wants_more; });
        return pair.server->state == Handshake::done ? "ok " + pair.server->layer->peer_name()
                                                     : pair.server->failure;
      };
      CHECK(outcome(client_with(known, version)) == (asks ? "ok alice" : "ok "));
      const std::string strange = outcome(client_with(stranger, version));
      CHECK(strange == (asks ? "certificate verify failed: self-signed certificate" : "ok "));
      const std::string without = outcome(ClientTls(careless_client()).connect());
      CHECK(without == (mode == "require" ? "peer did not return a certificate" : "ok "));
    }
}

TEST_CASE("tls probe: a handshake in memory, also where clients must show a certificate") {
  const CertificateText authority = make_certificate({.names = {"Authority"}, .authority = true});
  const ServerTls server({.certificates = {certificate()},
                          .client_auth = "require",
                          .client_ca_pem = authority.cert_pem,
                          .ticket_keys = {ticket_key(1)},
                          .scope = "s"});
  Loop loop;
  auto [one, other] = tcp_pair();
  End end(loop, std::move(other), server.accept_probe());
  ClientHandshake client("example.test");
  auto state = client.feed({});
  REQUIRE(loop.until([&] {
    const std::string output = client.take_output();
    if (!output.empty()) socket::send(one.get(), output);
    state = client.feed(read_now(one.get()));
    return state != ClientHandshake::State::under_way && end.state != Handshake::wants_more;
  }));
  CHECK(state == ClientHandshake::State::done);
  CHECK(end.state == Handshake::done);
  REQUIRE(socket::send(one.get(), client.goodbye()) > 0);
  CHECK(loop.until([&] { return end.ended; }));
}

TEST_CASE("tls probe: what is no TLS fails with a sentence") {
  ClientHandshake client("example.test");
  CHECK(client.feed({}) == ClientHandshake::State::under_way);
  CHECK_FALSE(client.take_output().empty());
  CHECK(client.feed("HTTP/1.1 400 Bad Request\r\n\r\n") == ClientHandshake::State::failed);
  CHECK(client.failure() == "wrong version number");
}

TEST_CASE("tls alpn: the server's order decides, nothing in common is fatal, no offer is fine") {
  struct Row {
    const char* ours;
    const char* offered;
    std::optional<std::string> agreed;
  };
  for (const Row& row : {Row{"http/1.1", "h2,http/1.1", "http/1.1"}, Row{"h2,http/1.1", "http/1.1,h2", "h2"},
                         Row{"http/1.1", "h2", std::nullopt}, Row{"http/1.1", "", ""}, Row{"", "h2", ""}}) {
    CAPTURE(row.ours);
    CAPTURE(row.offered);
    ServerTlsSettings settings = plain_server();
    settings.alpn = row.ours;
    ClientTlsSettings wanted = careless_client();
    wanted.alpn = row.offered;
    const ServerTls server(settings);
    const ClientTls client(wanted);
    Loop loop;
    Pair pair(loop, client, server);
    CHECK(pair.shake() == row.agreed.has_value());
    if (row.agreed) CHECK(pair.client->layer->alpn() == *row.agreed);
  }
}

TEST_CASE("tls client: the chain and the name are checked as asked for") {
  const CertificateText authority = make_certificate({.names = {"Authority"}, .authority = true});
  const CertificateText stranger = make_certificate({.names = {"Other"}, .authority = true});
  const CertificateText leaf =
      make_certificate({.names = {"db.test", "*.wild.test", "127.0.0.1"}, .issuer = &authority});
  const CertificateText old =
      make_certificate({.names = {"db.test"}, .issuer = &authority, .first_day = -9, .last_day = -2});
  struct Row {
    const CertificateText* served;
    std::string name;
    std::string verify;
    const CertificateText* trusted;
    std::string failure;  ///< "" = works
  };
  const std::string failed = "certificate verify failed: ";
  for (const Row& row :
       {Row{&leaf, "db.test", "full", &authority, ""}, Row{&leaf, "a.wild.test", "full", &authority, ""},
        Row{&leaf, "127.0.0.1", "full", &authority, ""},
        Row{&leaf, "127.0.0.2", "full", &authority, "IP address mismatch"},
        Row{&leaf, "evil.test", "full", &authority, "hostname mismatch"},
        Row{&leaf, "a.b.wild.test", "full", &authority, "hostname mismatch"},
        Row{&leaf, "evil.test", "ca", &authority, ""},
        Row{&leaf, "db.test", "full", &stranger, "unable to get local issuer certificate"},
        Row{&leaf, "db.test", "ca", &stranger, "unable to get local issuer certificate"},
        Row{&old, "db.test", "full", &authority, "certificate has expired"},
        Row{&old, "db.test", "none", &authority, ""}}) {
    CAPTURE(row.name);
    CAPTURE(row.verify);
    CAPTURE(row.failure);
    const ServerTls server({.certificates = {*row.served}, .scope = "s"});
    const ClientTls client({.server_name = row.name, .verify = row.verify, .ca_pem = row.trusted->cert_pem});
    Loop loop;
    Pair pair(loop, client, server);
    pair.shake();
    const std::string expected = row.failure.empty() ? "" : failed + row.failure;
    CHECK(pair.client->failure == expected);
  }
}

TEST_CASE("tls settings: what does not work is refused with a sentence") {
  const auto server_error = [](const std::function<void(ServerTlsSettings&)>& change) -> std::string {
    ServerTlsSettings settings = plain_server();
    change(settings);
    try {
      const ServerTls server(settings);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  CHECK(server_error([](auto&) {}).empty());
  CHECK(server_error([](auto& s) { s.certificates.clear(); }) == "TLS needs a certificate");
  CHECK(server_error([](auto& s) { s.min_version = "1.1"; }) ==
        "\"1.1\" is no TLS version we speak: 1.2 or 1.3");
  CHECK(server_error([](auto& s) { s.min_version = "1.3", s.max_version = "1.2"; }) ==
        "the least TLS version is above the greatest");
  CHECK(server_error([](auto& s) { s.ciphers = "nonsense"; }) == "ciphers \"nonsense\": no cipher match");
  CHECK(server_error([](auto& s) { s.client_auth = "maybe"; }) ==
        "client_auth is none, request or require, not \"maybe\"");
  CHECK(server_error([](auto& s) { s.client_auth = "require"; }) ==
        "client_auth needs client_ca: who signs the clients' certificates");
  CHECK(server_error([](auto& s) { s.ticket_keys = {"abc"}; }) == "a ticket key is not 80 bytes in hex");
  CHECK(server_error([](auto& s) { s.alpn = "http/1.1,,h2"; }) ==
        "a protocol name for ALPN has 1 to 255 bytes");
  CHECK_THROWS_WITH(ClientTls({.server_name = "x", .verify = "full"}),
                    "TLS with verification needs authorities to trust");
  CHECK_THROWS_WITH(ClientTls({.verify = "full", .ca_pem = certificate().cert_pem}),
                    "TLS with verification needs a server name");
}
