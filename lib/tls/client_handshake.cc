#include "lib/tls/client_handshake.h"

#include <openssl/err.h>

#include "lib/base/address.h"
#include "lib/tls/context.h"
#include "lib/tls/openssl.h"

namespace arcus {

struct ClientHandshake::Impl {
  openssl::Context context;
  openssl::Connection ssl;
};

ClientHandshake::ClientHandshake(std::string_view server_name) : impl_(std::make_unique<Impl>()) {
  impl_->context = openssl::make_context(TLS_client_method(), "1.2", {});
  impl_->ssl.reset(SSL_new(impl_->context.get()));
  openssl::Bio in(BIO_new(BIO_s_mem()));
  openssl::Bio out(BIO_new(BIO_s_mem()));
  if (!impl_->ssl || !in || !out) openssl::throw_error("a TLS connection");
  SSL_set_bio(impl_->ssl.get(), in.release(), out.release());
  const std::string name(server_name);
  if (!name.empty() && !IpAddress::parse(name) &&
      SSL_set_tlsext_host_name(impl_->ssl.get(), name.c_str()) != 1)
    openssl::throw_error("server name \"" + name + "\"");
  SSL_set_connect_state(impl_->ssl.get());
}

ClientHandshake::~ClientHandshake() = default;

ClientHandshake::State ClientHandshake::feed(std::string_view received) {
  SSL* ssl = impl_->ssl.get();
  if (!failure_.empty()) return State::failed;
  ERR_clear_error();
  if (!received.empty()) BIO_write(SSL_get_rbio(ssl), received.data(), static_cast<int>(received.size()));
  const int result = SSL_do_handshake(ssl);
  if (result == 1) return State::done;
  if (SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ) return State::under_way;
  failure_ = take_openssl_error("the handshake failed");
  return State::failed;
}

std::string ClientHandshake::take_output() {
  BIO* out = SSL_get_wbio(impl_->ssl.get());
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

std::string ClientHandshake::goodbye() {
  ERR_clear_error();
  static_cast<void>(SSL_shutdown(impl_->ssl.get()));
  ERR_clear_error();
  return take_output();
}

}  // namespace arcus
