#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "lib/base/address.h"
#include "lib/net/deadline.h"
#include "lib/net/stream.h"
#include "lib/runtime/connection.h"
#include "lib/tls/server_tls.h"
#include "lib/wire/config.h"

namespace arcus {

class ServerOnThread;
struct Protocol;

/// What a server wants of a connection before its protocol begins. Part of a snapshot; most have none.
struct PreambleConfig {
  /// nullptr for a plain server. Throws Error with a sentence when the settings do not work. `previous` (may
  /// be nullptr) with its preamble lends what stays as it was.
  static std::shared_ptr<const PreambleConfig> make(const wire::ServerConfig& server,
                                                    const Protocol& protocol, const ServerConfig* previous);

  bool takes_v1 = false;  ///< the PROXY header, which must come when one of these is set
  bool takes_v2 = false;
  std::vector<Cidr> senders;             ///< who may send it
  std::shared_ptr<const ServerTls> tls;  ///< null = plaintext

  bool wants_header() const noexcept { return takes_v1 || takes_v2; }
  bool may_send(const IpAddress& peer) const noexcept;
};

/// A client between accept and its protocol: the PROXY header, then the TLS handshake, in handshake_timeout
/// together. Whoever comes through is served by the handler as if just accepted.
class Preamble final : public Session, private StreamHandler, private DeadlineHandler {
 public:
  explicit Preamble(ClientConnection connection);

  void start() override;
  void on_kill(Reason reason) override;

 private:
  void on_ready(Stream& stream) override;
  void on_deadline(Deadline& deadline) override;
  // Each returns true when the next step may follow; otherwise it waits, or the connection is over.
  bool read_header();
  bool take_client();
  bool shake_hands();
  /// Records and closes.
  void refuse(Reason reason, bool politely = false);

  std::shared_ptr<const PreambleConfig> wanted_;
  TlsLayer* tls_ = nullptr;  ///< the stream's
  bool has_client_ = false;  ///< whose connection it is, is known and counted
  Deadline deadline_{*this};
};

/// The daemon's health check of a TLS server: a handshake, then `done` with the stream; or nothing and an
/// invalid stream.
class ProbePreamble final : public Retired, private StreamHandler, private DeadlineHandler {
 public:
  using Done = std::function<void(ProbePreamble& probe, Stream stream)>;
  ProbePreamble(std::shared_ptr<const PreambleConfig> wanted, Stream stream, DeadlineList& timeout,
                Done done);

 private:
  void on_ready(Stream& stream) override;
  void on_deadline(Deadline& deadline) override;

  std::shared_ptr<const PreambleConfig> wanted_;
  Stream stream_;
  TlsLayer* tls_ = nullptr;
  Done done_;
  Deadline deadline_{*this};
};

}  // namespace arcus
