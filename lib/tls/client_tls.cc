#include "lib/tls/client_tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <map>
#include <mutex>
#include <utility>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/crypto/sha256.h"
#include "lib/tls/context.h"
#include "lib/tls/openssl.h"
#include "lib/tls/x509.h"

namespace arcus {

namespace {

using Store = std::shared_ptr<X509_STORE>;

/// The authorities of `pem`, parsed once for all who trust the same.
Store trust_store(const std::string& pem) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<X509_STORE>> known;
  const std::string key = sha256_hex(pem);
  const std::scoped_lock lock(mutex);
  std::erase_if(known, [](const auto& entry) { return entry.second.expired(); });
  if (Store store = known[key].lock()) return store;
  const Store store(X509_STORE_new(), X509_STORE_free);
  for (const auto& authority : openssl::read_certificates(pem, "ca"))
    if (!store || X509_STORE_add_cert(store.get(), authority.get()) != 1)
      openssl::throw_error("trusted authorities");
  known[key] = store;
  return store;
}

/// The last session of one identity; belongs to the context and thus lives as long as its connections.
class SessionMemory {
 public:
  void keep(SSL_SESSION* session) {
    openssl::Session old(session);
    const std::scoped_lock lock(mutex_);
    last_.swap(old);
  }
  void offer(SSL* ssl) {
    const std::scoped_lock lock(mutex_);
    // A copy: in TLS 1.3 a session is spoilt by its use, and others may dial before the next ticket comes.
    const openssl::Session copy(last_ ? SSL_SESSION_dup(last_.get()) : nullptr);
    if (copy) SSL_set_session(ssl, copy.get());
  }

 private:
  std::mutex mutex_;
  openssl::Session last_;
};

void free_memory(void*, void* object, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<SessionMemory*>(object);
}

int memory_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, free_memory);
  return index;
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
  auto* memory = static_cast<SessionMemory*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), memory_index()));
  if (!memory) return 0;
  memory->keep(session);
  return 1;  // the session is ours now
}

/// Chain, and with `full` the name, are checked against `settings`.
void set_verification(SSL_CTX* context, const ClientTlsSettings& settings, const Store& store) {
  SSL_CTX_set1_cert_store(context, store.get());
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  if (settings.verify != "full") return;
  if (settings.server_name.empty())
    throw Error{ErrorKind::failed, "TLS with verification needs a server name"};
  X509_VERIFY_PARAM* rules = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const bool address = IpAddress::parse(settings.server_name).has_value();
  const int done =
      address ? X509_VERIFY_PARAM_set1_ip_asc(rules, settings.server_name.c_str())
              : X509_VERIFY_PARAM_set1_host(rules, settings.server_name.data(), settings.server_name.size());
  if (done != 1) openssl::throw_error("server name \"" + settings.server_name + "\"");
}

}  // namespace

struct ClientTls::Impl {
  openssl::Context context;
  Store store;
  SessionMemory* memory = nullptr;  ///< the context's
  std::string sent_name;
};

ClientTls::ClientTls(const ClientTlsSettings& settings) : impl_(std::make_unique<Impl>()) {
  if (settings.verify != "full" && settings.verify != "ca" && settings.verify != "none")
    throw Error{ErrorKind::failed, "tls_verify is full, ca or none, not \"" + settings.verify + "\""};
  impl_->context = openssl::make_context(TLS_client_method(), settings.min_version, {});
  SSL_CTX* context = impl_->context.get();
  if (settings.verify != "none") {
    if (settings.ca_pem.empty())
      throw Error{ErrorKind::failed, "TLS with verification needs authorities to trust"};
    impl_->store = trust_store(settings.ca_pem);
    set_verification(context, settings, impl_->store);
  }
  if (!settings.server_name.empty() && !IpAddress::parse(settings.server_name))
    impl_->sent_name = settings.server_name;
  if (!settings.alpn.empty()) {
    const std::string list = openssl::alpn_list(settings.alpn);
    if (SSL_CTX_set_alpn_protos(context, reinterpret_cast<const unsigned char*>(list.data()),
                                static_cast<unsigned>(list.size())) != 0)
      openssl::throw_error("ALPN");
  }
  auto memory = std::make_unique<SessionMemory>();
  if (SSL_CTX_set_ex_data(context, memory_index(), memory.get()) != 1) openssl::throw_error("a TLS context");
  impl_->memory = memory.release();
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
  ERR_clear_error();
}

ClientTls::~ClientTls() = default;

std::unique_ptr<TlsLayer> ClientTls::connect() const {
  SSL* ssl = SSL_new(impl_->context.get());
  if (!ssl) return nullptr;
  auto layer = std::make_unique<TlsLayer>(ssl);
  if (!impl_->sent_name.empty() && SSL_set_tlsext_host_name(ssl, impl_->sent_name.c_str()) != 1)
    return nullptr;
  impl_->memory->offer(ssl);
  SSL_set_connect_state(ssl);
  return layer;
}

}  // namespace arcus
