#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "lib/net/backlog.h"
#include "lib/net/stream.h"

struct ssl_st;

namespace arcus {

enum class Handshake : std::uint8_t {
  done,        ///< bytes of the stream are plaintext from now on; some may be readable at once
  wants_more,  ///< call again on on_ready, whichever way the socket became ready
  failed,      ///< see TlsLayer::failure(); our alert was written as far as the socket took it
};

/// TLS on one connection, either side. Made by ServerTls::accept and ClientTls::connect; give it to
/// Stream::set_layer, then call handshake() from on_ready until it is done. Keeps what it needs of its maker
/// alive.
///
/// Writing: what does not fit into the socket is kept encrypted, and the last byte of it is not reported as
/// taken, so that the caller comes back with it (as with any short write, the next write must begin with the
/// bytes that were not taken).
/// Reading: `ended` only after the peer's close_notify; an end of the connection without it is `failed`.
class TlsLayer final : public StreamLayer {
 public:
  /// For the makers: takes `ssl`.
  explicit TlsLayer(ssl_st* ssl) noexcept;
  ~TlsLayer() override;
  TlsLayer(const TlsLayer&) = delete;
  TlsLayer& operator=(const TlsLayer&) = delete;

  /// Goes as far as the socket allows. After `failed` close the connection politely (Lingering), or the peer
  /// may lose the alert.
  Handshake handshake(Stream& stream);
  /// Why it failed, as a sentence: "no protocol version in common"; empty when it has not.
  const std::string& failure() const noexcept { return failure_; }

  IoResult read(Stream& stream, std::span<char> into) override;
  IoResult write(Stream& stream, std::string_view from) override;
  IoResult write_both(Stream& stream, std::string_view first, std::string_view second) override;
  bool shutdown_write(Stream& stream) override;
  bool has_pending() const noexcept override { return pending_; }

  // After the handshake.
  std::string_view version() const noexcept;  ///< "TLSv1.3"
  std::string_view cipher() const noexcept;   ///< "TLS_AES_128_GCM_SHA256"
  std::string_view alpn() const noexcept;     ///< empty = none agreed
  /// The name the client asked for, as it wrote it; empty = none.
  std::string_view server_name() const noexcept;
  bool was_resumed() const noexcept;
  /// Common name of the peer's verified certificate (else its first DNS name or e-mail); empty = it gave
  /// none.
  std::string peer_name() const;
  /// The same, while the certificate is valid and when it was checked by the rules that `context` stands for
  /// (ServerTls::context()).
  std::string peer_name(std::string_view context) const override;
  /// SHA-256 of the peer's certificate in hex; empty = it gave none.
  std::string peer_fingerprint() const;

 private:
  friend struct TlsTransport;
  class Call;

  Handshake fail_handshake(Stream& stream, int error);
  std::size_t encrypt_chunk(std::string_view first, std::string_view second, std::size_t offset);
  void send_outgoing() noexcept;
  bool flush(Stream& stream) noexcept;

  ssl_st* ssl_;
  Stream* stream_ = nullptr;    ///< during a call only
  std::size_t unrewarded_ = 0;  ///< read from the socket since there was a plain byte
  Backlog unsent_;              ///< encrypted, not yet taken by the socket
  std::size_t held_back_ = 0;   ///< plain bytes that were encrypted but not reported as taken
  bool pending_ : 1 = false;
  bool cut_ : 1 = false;     ///< the connection ended without close_notify
  bool broken_ : 1 = false;  ///< the socket failed
  bool over_ : 1 = false;    ///< TLS failed
  bool ended_ : 1 = false;   ///< close_notify came
  bool shut_ : 1 = false;    ///< close_notify was made
  bool bulk_ : 1 = false;    ///< many records at once came
  std::string failure_;
};

}  // namespace arcus
