#include "lib/tls/server_tls.h"

#include <openssl/err.h>
#include <openssl/sha.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "lib/base/error.h"
#include "lib/tls/context.h"
#include "lib/tls/ticket_keys.h"
#include "lib/tls/x509.h"

namespace arcus {

using openssl::Context;

namespace {

/// What callbacks need; belongs to the first context and thus lives as long as its connections.
struct Shared {
  explicit Shared(const std::vector<std::string>& ticket_keys) : tickets(ticket_keys) {}

  TicketKeys tickets;
  std::string alpn;
  std::vector<Context> others;  ///< of the further certificates
  std::unordered_map<std::string, SSL_CTX*>
      by_name;  ///< exact, or ".suffix" for "*.suffix"; null = the first
};

void free_shared(void*, void* object, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<Shared*>(object);
}

int shared_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_shared);
  return index;
}

int on_ticket(SSL* ssl, unsigned char* name, unsigned char* vector, EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
              int encrypt) {
  // Sessions belong to the context the connection was made with, whichever certificate was chosen.
  const auto* shared = static_cast<const Shared*>(SSL_get_ex_data(ssl, 0));
  if (!shared) return -1;
  const int outcome = shared->tickets.apply(name, vector, cipher, mac, encrypt == 1);
  // Clients use a TLS 1.3 ticket once: without a new one the next connection would start from nothing.
  return outcome == 1 && encrypt == 0 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : outcome;
}

SSL_CTX* find(const Shared& shared, const char* asked, bool& known) {
  std::string name = asked;
  std::ranges::transform(name, name.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name.ends_with('.')) name.pop_back();
  auto found = shared.by_name.find(name);
  if (found == shared.by_name.end())
    if (const std::size_t dot = name.find('.'); dot != 0 && dot != name.npos)
      found = shared.by_name.find(name.substr(dot));
  known = found != shared.by_name.end();
  return known ? found->second : nullptr;
}

int on_server_name(SSL* ssl, int*, void* argument) {
  const char* asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (!asked) return SSL_TLSEXT_ERR_NOACK;
  bool known = false;
  if (SSL_CTX* context = find(*static_cast<const Shared*>(argument), asked, known))
    SSL_set_SSL_CTX(ssl, context);
  return known ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

int on_alpn(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
            unsigned offered_size, void* argument) {
  const std::string& ours = static_cast<const Shared*>(argument)->alpn;
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned>(ours.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

using NameStack = std::unique_ptr<STACK_OF(X509_NAME), void (*)(STACK_OF(X509_NAME)*)>;

/// Whom clients must be signed by, told to them and checked.
void trust_clients(SSL_CTX* context, const ServerTlsSettings& settings) {
  const auto authorities = openssl::read_certificates(settings.client_ca_pem, "client_ca");
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  for (const auto& authority : authorities)
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1)
      openssl::throw_error("client_ca");
  const bool required = settings.client_auth == "require";
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nullptr);
}

/// Sessions resume only under the same server and the same demands on clients.
std::string session_context(const ServerTlsSettings& settings) {
  const std::string all = settings.scope + '\0' + settings.client_auth + '\0' + settings.client_ca_pem;
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  if (EVP_Digest(all.data(), all.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                 EVP_sha256(), nullptr) != 1)
    openssl::throw_error("session context");
  return digest;
}

void set_session_context(SSL_CTX* context, const std::string& digest) {
  if (SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(digest.data()),
                                     static_cast<unsigned>(digest.size())) != 1)
    openssl::throw_error("session context");
}

Context make_server_context(const ServerTlsSettings& settings, Shared& shared) {
  Context context = openssl::make_context(TLS_server_method(), settings.min_version, settings.max_version);
  SSL_CTX* raw = context.get();
  if (!settings.ciphers.empty() && SSL_CTX_set_cipher_list(raw, settings.ciphers.c_str()) != 1)
    openssl::throw_error("ciphers \"" + settings.ciphers + "\"");
  set_session_context(raw, session_context(settings));
  if (settings.client_auth != "none") trust_clients(raw, settings);
  if (!shared.alpn.empty()) SSL_CTX_set_alpn_select_cb(raw, on_alpn, &shared);
  SSL_CTX_set_num_tickets(raw, 1);
  if (shared.tickets.empty()) {
    SSL_CTX_set_options(raw, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(raw, 0);
  }
  return context;
}

/// One certificate into `context`, which may hold one of each kind of key.
void use(SSL_CTX* context, const CertificateText& text) {
  const auto chain = openssl::read_certificates(text.cert_pem, text.name);
  const openssl::Key key = openssl::read_key(text.key_pem.empty() ? text.cert_pem : text.key_pem, text.name);
  ERR_clear_error();
  const std::string what = "certificate \"" + text.name + "\"";
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    ERR_clear_error();
    throw Error{ErrorKind::failed, what + " does not belong to its private key"};
  }
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_clear_chain_certs(context) != 1)
    openssl::throw_error(what);
  for (std::size_t i = 1; i < chain.size(); ++i)
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1) openssl::throw_error(what);
}

void check_words(const ServerTlsSettings& settings) {
  if (settings.certificates.empty()) throw Error{ErrorKind::failed, "TLS needs a certificate"};
  const std::string& auth = settings.client_auth;
  if (auth != "none" && auth != "request" && auth != "require")
    throw Error{ErrorKind::failed, "client_auth is none, request or require, not \"" + auth + "\""};
  if (auth != "none" && settings.client_ca_pem.empty())
    throw Error{ErrorKind::failed, "client_auth needs client_ca: who signs the clients' certificates"};
}

}  // namespace

struct ServerTls::Impl {
  Context context;
  Shared* shared = nullptr;  ///< the context's
  std::string session_context;
};

ServerTls::ServerTls(const ServerTlsSettings& settings) : impl_(std::make_unique<Impl>()) {
  check_words(settings);
  impl_->session_context = session_context(settings);
  auto owned = std::make_unique<Shared>(settings.ticket_keys);
  Shared& shared = *owned;
  shared.alpn = openssl::alpn_list(settings.alpn);
  // Certificates for the same names with different kinds of key share a context: the client's offer decides.
  std::set<std::pair<std::vector<std::string>, int>> taken;
  std::map<std::vector<std::string>, SSL_CTX*> contexts;
  for (const CertificateText& text : settings.certificates) {
    const auto leaf = std::move(openssl::read_certificates(text.cert_pem, text.name).front());
    std::vector<std::string> names = openssl::names_of(*leaf);
    const int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(leaf.get()));
    const bool first_of_kind = taken.emplace(names, kind).second;
    if (const auto known = contexts.find(names); known != contexts.end()) {
      if (first_of_kind) use(known->second, text);
      continue;
    }
    Context context = make_server_context(settings, shared);
    use(context.get(), text);
    contexts.emplace(names, context.get());
    for (const std::string& name : names)
      shared.by_name.try_emplace(name.starts_with("*.") ? name.substr(1) : name,
                                 impl_->context ? context.get() : nullptr);
    (impl_->context ? shared.others.emplace_back() : impl_->context) = std::move(context);
  }
  SSL_CTX* main = impl_->context.get();
  SSL_CTX_set_tlsext_ticket_key_evp_cb(main, on_ticket);
  SSL_CTX_set_tlsext_servername_callback(main, on_server_name);
  SSL_CTX_set_tlsext_servername_arg(main, &shared);
  if (SSL_CTX_set_ex_data(main, shared_index(), &shared) != 1) openssl::throw_error("a TLS context");
  impl_->shared = owned.release();
  ERR_clear_error();
}

ServerTls::~ServerTls() = default;

std::unique_ptr<TlsLayer> ServerTls::accept() const {
  SSL* ssl = SSL_new(impl_->context.get());
  if (!ssl) return nullptr;
  SSL_set_ex_data(ssl, 0, impl_->shared);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsLayer>(ssl);
}

std::string_view ServerTls::context() const noexcept { return impl_->session_context; }

std::unique_ptr<TlsLayer> ServerTls::accept_probe() const {
  SSL* ssl = SSL_new(impl_->context.get());
  if (!ssl) return nullptr;
  SSL_set_verify(ssl, SSL_VERIFY_NONE, nullptr);
  // No ticket: whoever resumed it would be a client that never showed its certificate.
  SSL_set_options(ssl, SSL_OP_NO_TICKET);
  SSL_set_num_tickets(ssl, 0);
  SSL_set_accept_state(ssl);
  return std::make_unique<TlsLayer>(ssl);
}

}  // namespace arcus
