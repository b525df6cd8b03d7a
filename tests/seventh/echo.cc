#include "tests/seventh/echo.h"

#include <memory>
#include <string_view>
#include <utility>

#include "lib/net/backlog.h"
#include "lib/net/context.h"
#include "lib/net/deadline.h"
#include "lib/runtime/connection.h"
#include "lib/runtime/server_on_thread.h"
#include "lib/runtime/thread.h"

namespace arcus {

namespace {

constexpr OptionSpec options[] = {
    {.key = "greeting", .kind = OptionSpec::Kind::text, .help = "said to every client first"},
};

/// What a snapshot's options come to.
struct EchoConfig final : ProtocolConfig {
  std::string greeting;
};

class EchoSession final : public Session, private StreamHandler, private DeadlineHandler {
 public:
  using Session::Session;

  void start() override {
    connection_.stream().set_handler(this);
    const auto& config = static_cast<const EchoConfig&>(*connection_.config().protocol_config);
    send(config.greeting);
    on_ready(connection_.stream());
  }

  void on_kill(Reason reason) override { finish(reason); }

 private:
  /// Reads only when the client has taken what it sent before: a client that does not read is not read from.
  void on_ready(Stream& stream) override {
    DataThread& thread = connection_.thread();
    thread.deadlines().of(connection_.config().idle_timeout()).arm(idle_);
    const IoResult flushed = backlog_.flush(stream);
    count_out(flushed.bytes);
    if (flushed.status == IoStatus::failed) return finish(Reason::client_closed);
    while (stream.readable() && backlog_.empty()) {
      const IoResult read = stream.read(thread.net().scratch);
      if (read.status == IoStatus::blocked) return;
      if (read.status != IoStatus::ok)
        return finish(read.status == IoStatus::ended ? Reason::ok : Reason::client_closed);
      connection_.count_in(read.bytes);
      bytes_in_ += read.bytes;
      if (!send({thread.net().scratch.data(), read.bytes})) return finish(Reason::client_closed);
    }
  }

  void on_deadline(Deadline&) override { finish(Reason::idle_timeout); }

  bool send(std::string_view bytes) {
    const IoResult sent = connection_.stream().write(bytes);
    if (sent.status == IoStatus::failed) return false;
    count_out(sent.bytes);
    backlog_.keep(bytes.substr(sent.bytes));
    return true;
  }

  void count_out(std::size_t bytes) {
    connection_.count_out(bytes);
    bytes_out_ += bytes;
  }

  void finish(Reason reason) {
    connection_.record({.kind = RecordKind::connection,
                        .reason = reason,
                        .started = connection_.accepted_at(),
                        .status = 200,
                        .tag = "ECHO",
                        .method = "ECHO",
                        .bytes_in = bytes_in_,
                        .bytes_out = bytes_out_});
    idle_.disarm();
    if (reason != Reason::ok) connection_.reset();
    end();
  }

  Deadline idle_{*this};
  Backlog backlog_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

class EchoHandler final : public Handler {
 public:
  using Handler::Handler;
  void serve(ClientConnection connection) override {
    server_.adopt(std::make_unique<EchoSession>(std::move(connection)));
  }
};

std::unique_ptr<Handler> make_handler(ServerOnThread& server) {
  return std::make_unique<EchoHandler>(server);
}

std::shared_ptr<const ProtocolConfig> make_config(const ServerConfig& config) {
  auto made = std::make_shared<EchoConfig>();
  made->greeting = config.options.text("greeting");
  return made;
}

}  // namespace

constinit const Protocol echo_protocol{
    .type = {.name = "echo",
             .title = "Echo Server",
             .summary = "send every byte back",
             .default_port = 7007,
             .options = options},
    .make_config = make_config,
    .make_handler = make_handler,
};

}  // namespace arcus
