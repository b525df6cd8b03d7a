#include "lib/tls/tls_layer.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/base/error.h"
#include "lib/tls/openssl.h"
#include "lib/tls/x509.h"

namespace arcus {

/// The most plain bytes that are encrypted before the socket is asked: one send, four records.
static constexpr std::size_t chunk = 64 * 1024;
static constexpr std::size_t record = SSL3_RT_MAX_PLAIN_LENGTH;
/// What a peer may send without one plain byte in it: more is a flood of KeyUpdate or the like, for which
/// OpenSSL knows no limit.
static constexpr std::size_t max_unrewarded = 256 * 1024;
/// What one read() takes from the socket before others get their turn.
static constexpr std::size_t max_at_once = 256 * 1024;
/// Answers to such messages, held for a peer that does not read them.
static constexpr std::size_t max_unsent = 256 * 1024;

/// What this thread's current call has encrypted and not yet sent.
static thread_local constinit struct {
  std::array<char, chunk + 4 * 1024> bytes;
  std::size_t size = 0;
} outgoing{};

/// OpenSSL's way to the socket: a BIO over the stream of the current call.
struct TlsTransport {
  static int write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
    TlsLayer& layer = *static_cast<TlsLayer*>(BIO_get_data(bio));
    if (layer.unsent_.size() > max_unsent) return 0;
    if (outgoing.size + size > outgoing.bytes.size()) layer.send_outgoing();
    if (!layer.unsent_.empty() || size > outgoing.bytes.size()) {
      layer.unsent_.keep({data, size});
    } else {
      std::memcpy(outgoing.bytes.data() + outgoing.size, data, size);
      outgoing.size += size;
    }
    *written = size;
    return 1;
  }

  static int read(BIO* bio, char* into, std::size_t size, std::size_t* got) {
    TlsLayer& layer = *static_cast<TlsLayer*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    if (layer.unrewarded_ > max_unrewarded) {
      layer.stream_->note_error(EPROTO);
      *got = 0;
      return 0;
    }
    const IoResult result = layer.stream_->read_raw({into, size});
    *got = result.bytes;
    layer.unrewarded_ += result.bytes;
    if (result.status == IoStatus::blocked) BIO_set_retry_read(bio);
    if (result.status == IoStatus::ended) layer.cut_ = true;
    return result.status == IoStatus::ok ? 1 : 0;
  }

  static long control(BIO* bio, int command, long, void*) {
    if (command == BIO_CTRL_EOF) return static_cast<TlsLayer*>(BIO_get_data(bio))->cut_;
    return command == BIO_CTRL_FLUSH;
  }

  static int create(BIO* bio) {
    BIO_set_init(bio, 1);
    return 1;
  }

  static BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
    if (!method) return nullptr;
    BIO_meth_set_write_ex(method, write);
    BIO_meth_set_read_ex(method, read);
    BIO_meth_set_ctrl(method, control);
    BIO_meth_set_create(method, create);
    return method;
  }
};

/// One call into OpenSSL: the stream it works on, an empty error queue before it, its output sent after it.
class TlsLayer::Call {
 public:
  Call(TlsLayer& layer, Stream& stream) noexcept : layer_(layer) {
    layer_.stream_ = &stream;
    outgoing.size = 0;
    ERR_clear_error();
  }
  ~Call() {
    layer_.send_outgoing();
    layer_.stream_ = nullptr;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  TlsLayer& layer_;
};

TlsLayer::TlsLayer(ssl_st* ssl) noexcept : ssl_(ssl) {
  static BIO_METHOD* const method = TlsTransport::make_method();
  BIO* bio = BIO_new(method);
  if (bio) BIO_set_data(bio, this);
  SSL_set_bio(ssl_, bio, bio);
}

TlsLayer::~TlsLayer() {
  // Else OpenSSL spoils the session for those that want to resume it.
  SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(ssl_);
}

/// Sends what this call made, behind what waits already.
void TlsLayer::send_outgoing() noexcept {
  const std::string_view bytes{outgoing.bytes.data(), outgoing.size};
  outgoing.size = 0;
  if (bytes.empty() || broken_ || cut_) return;
  IoResult sent{IoStatus::blocked, 0};
  if (unsent_.empty()) sent = stream_->write_raw(bytes);
  if (sent.status == IoStatus::failed)
    broken_ = true;
  else
    unsent_.keep(bytes.substr(sent.bytes));
}

/// True when nothing waits for the socket any more.
bool TlsLayer::flush(Stream& stream) noexcept {
  if (unsent_.empty()) return true;
  const IoStatus status = unsent_.flush_raw(stream).status;
  if (status == IoStatus::failed) broken_ = true;
  return status == IoStatus::ok;
}

Handshake TlsLayer::handshake(Stream& stream) {
  if (!failure_.empty()) return Handshake::failed;
  if (!flush(stream)) return broken_ ? fail_handshake(stream, SSL_ERROR_SYSCALL) : Handshake::wants_more;
  {
    const Call call(*this, stream);
    const int result = SSL_do_handshake(ssl_);
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_, result);
    if (error != SSL_ERROR_NONE && error != SSL_ERROR_WANT_READ) return fail_handshake(stream, error);
  }
  if (broken_) return fail_handshake(stream, SSL_ERROR_SYSCALL);
  if (!SSL_is_init_finished(ssl_) || !unsent_.empty()) return Handshake::wants_more;
  pending_ = SSL_has_pending(ssl_) != 0;
  return Handshake::done;
}

Handshake TlsLayer::fail_handshake(Stream& stream, int error) {
  over_ = true;
  if (cut_) {
    failure_ = "the connection ended during the handshake";
  } else if (error == SSL_ERROR_SYSCALL) {
    failure_ = stream.error() != 0 ? errno_text(stream.error()) : "the connection broke during the handshake";
  } else {
    const bool unverified = ERR_GET_REASON(ERR_peek_error()) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    failure_ = take_openssl_error("the handshake failed");
    const long verdict = SSL_get_verify_result(ssl_);
    if (unverified && verdict != X509_V_OK)
      failure_ += std::string(": ") + X509_verify_cert_error_string(verdict);
  }
  return Handshake::failed;
}

IoResult TlsLayer::read(Stream& stream, std::span<char> into) {
  if (over_) {
    pending_ = false;
    return {IoStatus::failed, 0};
  }
  if (!stream.readable()) return {ended_ ? IoStatus::ended : IoStatus::blocked, 0};
  pending_ = false;
  std::size_t total = 0;
  std::size_t taken = 0;
  const Call call(*this, stream);
  while (total < into.size() && taken < max_at_once) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_, into.data() + total, into.size() - total, &got) == 1) {
      total += got;
      taken += std::exchange(unrewarded_, 0);
      continue;
    }
    const int error = SSL_get_error(ssl_, 0);
    if (error == SSL_ERROR_WANT_READ) return {total > 0 ? IoStatus::ok : IoStatus::blocked, total};
    // What came before the end is delivered first; the end itself is found again by the next call.
    pending_ = total > 0;
    ended_ = error == SSL_ERROR_ZERO_RETURN;
    if (ended_) return {total > 0 ? IoStatus::ok : IoStatus::ended, total};
    over_ = true;
    if (error != SSL_ERROR_SYSCALL || stream.error() == 0) stream.note_error(cut_ ? ECONNRESET : EPROTO);
    return {total > 0 ? IoStatus::ok : IoStatus::failed, total};
  }
  pending_ = taken >= max_at_once || SSL_has_pending(ssl_) != 0;
  if (total >= 2 * record && !bulk_) {
    // Takes effect when OpenSSL allocates its buffer again: four records by one system call from then on.
    bulk_ = true;
    SSL_set_default_read_buffer_len(ssl_, chunk);
  }
  return {IoStatus::ok, total};
}

IoResult TlsLayer::write(Stream& stream, std::string_view from) { return write_both(stream, from, {}); }

IoResult TlsLayer::write_both(Stream& stream, std::string_view first, std::string_view second) {
  if (over_ || broken_) return {IoStatus::failed, 0};
  if (!flush(stream)) return {broken_ ? IoStatus::failed : IoStatus::blocked, 0};
  const std::size_t size = first.size() + second.size();
  std::size_t taken = std::min(std::exchange(held_back_, 0), size);
  while (taken < size && stream.writable()) {
    const Call call(*this, stream);
    const std::size_t encrypted = encrypt_chunk(first, second, taken);
    if (encrypted == 0) break;
    taken += encrypted;
  }
  if (over_ || broken_) return {IoStatus::failed, 0};
  if (!unsent_.empty()) {
    held_back_ = 1;
    --taken;
  }
  return {taken > 0 ? IoStatus::ok : IoStatus::blocked, taken};
}

/// Makes records of what stands behind `offset` in both parts, at most a chunk; how much that was.
std::size_t TlsLayer::encrypt_chunk(std::string_view first, std::string_view second, std::size_t offset) {
  static thread_local constinit std::array<char, record> joined{};
  std::size_t done = 0;
  while (done < chunk) {
    const std::size_t at = offset + done;
    std::string_view piece = at < first.size() ? first.substr(at) : second.substr(at - first.size());
    if (piece.empty()) break;
    if (at < first.size() && piece.size() < record && !second.empty()) {
      const std::size_t more = std::min(second.size(), record - piece.size());
      std::memcpy(joined.data(), piece.data(), piece.size());
      std::memcpy(joined.data() + piece.size(), second.data(), more);
      piece = {joined.data(), piece.size() + more};
    }
    std::size_t written = 0;
    if (SSL_write_ex(ssl_, piece.data(), std::min(piece.size(), record), &written) != 1) {
      over_ = true;
      return 0;
    }
    done += written;
  }
  return done;
}

bool TlsLayer::shutdown_write(Stream& stream) {
  if (over_ || broken_) return true;
  if (!flush(stream)) return broken_;
  if (!shut_) {
    shut_ = true;
    const Call call(*this, stream);
    static_cast<void>(SSL_shutdown(ssl_));
  }
  return unsent_.empty() || broken_;
}

std::string_view TlsLayer::version() const noexcept { return SSL_get_version(ssl_); }

std::string_view TlsLayer::cipher() const noexcept { return SSL_get_cipher_name(ssl_); }

std::string_view TlsLayer::alpn() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return {reinterpret_cast<const char*>(name), size};
}

std::string_view TlsLayer::server_name() const noexcept {
  const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  return name ? std::string_view(name) : std::string_view();
}

bool TlsLayer::was_resumed() const noexcept { return SSL_session_reused(ssl_) == 1; }

std::string TlsLayer::peer_name() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate ? openssl::name_of(*certificate) : std::string();
}

std::string TlsLayer::peer_name(std::string_view context) const {
  // A resumed session brings its certificate along, however long ago that was checked.
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (!certificate || X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) return {};
  unsigned size = 0;
  const unsigned char* made_by = SSL_SESSION_get0_id_context(SSL_get_session(ssl_), &size);
  if (context != std::string_view(reinterpret_cast<const char*>(made_by), size)) return {};
  return openssl::name_of(*certificate);
}

std::string TlsLayer::peer_fingerprint() const {
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  return certificate ? openssl::fingerprint_of(*certificate) : std::string();
}

}  // namespace arcus
