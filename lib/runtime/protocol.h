#pragma once

#include <memory>
#include <string_view>

#include "lib/base/reason.h"
#include "lib/base/server_type.h"
#include "lib/runtime/connection.h"
#include "lib/runtime/server_config.h"

namespace arcus {

class ServerOnThread;

/// One protocol's work for one server on one data thread. Made when the server's first snapshot arrives
/// there, and lives as long as any of its connections.
class Handler {
 public:
  explicit Handler(ServerOnThread& server) noexcept : server_(server) {}
  virtual ~Handler() = default;

  /// A client was accepted and has its slot. Make a Session of it and hand that to ServerOnThread::adopt.
  virtual void serve(ClientConnection connection) = 0;
  /// serve() for a client of another protocol on the same port, whose first bytes were read already (and not
  /// counted yet). The default resets it.
  virtual void take_over(ClientConnection connection, std::string_view already_read);
  /// A client over a limit (or before a backend could be tried): answer as the protocol can, then close. The
  /// connection was counted as refused and recorded already. The default resets it.
  virtual void refuse(ClientConnection connection, Reason reason);
  /// The daemon's own health check: show that we work, then close. Not counted, not recorded, under no limit.
  /// The default closes politely.
  virtual void probe(Stream stream);
  /// The server's snapshot was replaced: ServerOnThread::config() is the new one already.
  virtual void on_config() {}

 protected:
  ServerOnThread& server_;
};

/// A protocol: what the registry knows of it, and how to make it work.
struct Protocol {
  ServerType type;
  /// Answered to ALPN where a server speaks TLS and does not say otherwise; names separated by commas.
  std::string_view alpn = "";
  /// On the main thread, once per snapshot: checks and compiles what the protocol needs (options, rules). May
  /// be nullptr. Throws Error: the snapshot is refused and the old one goes on.
  std::shared_ptr<const ProtocolConfig> (*make_config)(const ServerConfig& config) = nullptr;
  /// On the data thread.
  std::unique_ptr<Handler> (*make_handler)(ServerOnThread& server) = nullptr;
};

}  // namespace arcus
