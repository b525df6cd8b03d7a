#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lib/net/stream.h"
#include "lib/runtime/access.h"
#include "lib/runtime/protocol.h"
#include "lib/runtime/server_config.h"
#include "lib/upstream/backends.h"
#include "lib/wire/counters.h"

namespace arcus {

class DataThread;
class ProbePreamble;

/// A server as one data thread sees it. Lives until it is forgotten and its last connection has gone.
class ServerOnThread {
 public:
  ServerOnThread(DataThread& thread, std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters);
  ~ServerOnThread();
  ServerOnThread(const ServerOnThread&) = delete;
  ServerOnThread& operator=(const ServerOnThread&) = delete;

  DataThread& thread() const noexcept { return thread_; }
  /// The newest snapshot.
  const std::shared_ptr<const ServerConfig>& config() const noexcept { return config_; }
  Handler& handler() noexcept { return *handler_; }
  /// This thread's counts; nobody else writes them.
  wire::CounterSlot& counters() const noexcept { return *counters_; }
  BackendChooser& chooser() noexcept { return chooser_; }
  BackendChooser& parent_chooser() noexcept { return parent_chooser_; }
  /// Stopping: http answers `Connection: close`.
  bool is_draining() const noexcept { return draining_; }
  std::size_t session_count() const noexcept { return session_count_; }

  /// Keeps `session` until its end() and starts it.
  void adopt(std::unique_ptr<Session> session);

  /// A client is given to `backend`: its unit there, which is counted; empty when another thread took the
  /// last.
  BackendSlot take_slot(const Backend& backend) noexcept;
  /// How a connect to `backend` ended, for its health; tells the daemon when that changed.
  void note_connect(const Backend& backend, Reason outcome);

  // For the runtime.

  /// A client was accepted: takes its slot, then serves or refuses it.
  void accepted(UniqueFd socket, const Endpoint& peer);
  /// The preamble of a client has ended: the handler serves it, or refuses it with `reason`, in the same
  /// drain as before.
  void hand_on(Session& preamble, Reason reason = Reason::ok);
  void set_config(std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters);
  /// Tells the sessions of now to end; `done` is called once when the last of them has.
  /// The epoch that ends with it: what kill_draining() wants.
  std::uint64_t drain(std::function<void()> done);
  /// Accepts again; sessions of before go on draining.
  void resume() noexcept { draining_ = false; }
  /// Ends at once what drain() told to end.
  void kill_draining(Reason reason, std::uint64_t epoch);
  /// Removes the server from its thread when the last connection has gone.
  void forget();
  void count_request(std::string_view user, std::uint32_t rule) noexcept;
  /// `context` says whose it is; the rest of it is filled here.
  void record(const ServerConfig& config, AccessContext context, const AccessRecord& record) noexcept;

 private:
  friend class Session;
  friend class ClientConnection;

  void release(Session& session);
  void connection_opened() noexcept;
  void connection_closed() noexcept;
  void refuse(ClientConnection connection, Reason reason);
  void begin_probe(Stream stream);
  template <typename Visit>
  void for_each_session(Visit visit);
  void session_drained();

  DataThread& thread_;
  std::shared_ptr<const ServerConfig> config_;
  wire::CounterSlot* counters_;
  std::unique_ptr<Handler> handler_;
  BackendChooser chooser_;
  BackendChooser parent_chooser_;
  Session* sessions_ = nullptr;
  std::size_t session_count_ = 0;
  std::size_t connection_count_ = 0;
  std::uint64_t epoch_ = 0;         ///< grows with every drain
  std::size_t draining_count_ = 0;  ///< sessions of earlier epochs
  std::function<void()> drained_;
  std::vector<std::unique_ptr<ProbePreamble>> probes_;
  const Session* handing_on_ = nullptr;  ///< during hand_on
  bool draining_ = false;
  bool forgotten_ = false;
};

/// What became of a connect to `backend` or of a check: its health, and the daemon hears when that changed.
/// `who` found out: traffic or check; `detail` is a sentence.
void note_backend(DataThread& thread, const ServerConfig& config, const Backend& backend, Reason outcome,
                  std::string_view who, std::string_view detail);

}  // namespace arcus
