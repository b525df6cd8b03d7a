#include "lib/runtime/server_on_thread.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/runtime/access_log.h"
#include "lib/runtime/preamble.h"
#include "lib/runtime/thread.h"

namespace arcus {

ServerOnThread::ServerOnThread(DataThread& thread, std::shared_ptr<const ServerConfig> config,
                               wire::CounterSlot& counters)
    : thread_(thread), config_(std::move(config)), counters_(&counters) {
  handler_ = config_->protocol->make_handler(*this);
}

ServerOnThread::~ServerOnThread() = default;

void ServerOnThread::adopt(std::unique_ptr<Session> session) {
  Session* one = session.release();  // the intrusive list owns it until release()
  one->epoch_ = handing_on_ ? handing_on_->epoch_ : epoch_;
  if (one->epoch_ < epoch_) ++draining_count_;
  one->next_ = sessions_;
  if (sessions_) sessions_->previous_ = one;
  sessions_ = one;
  ++session_count_;
  one->start();
}

void ServerOnThread::release(Session& session) {
  (session.previous_ ? session.previous_->next_ : sessions_) = session.next_;
  if (session.next_) session.next_->previous_ = session.previous_;
  session.previous_ = session.next_ = nullptr;
  --session_count_;
  const bool was_draining = session.epoch_ < epoch_;
  thread_.poller().retire(std::unique_ptr<Retired>(&session));
  if (was_draining && --draining_count_ == 0) session_drained();
}

void ServerOnThread::session_drained() {
  if (const auto done = std::exchange(drained_, nullptr)) done();
}

/// Visits the sessions of now; the visit may end any of them, since objects live until the batch is over.
template <typename Visit>
void ServerOnThread::for_each_session(Visit visit) {
  std::vector<Session*> all;
  all.reserve(session_count_);
  for (Session* one = sessions_; one; one = one->next_) all.push_back(one);
  for (Session* one : all)
    if (one == sessions_ || one->previous_) visit(*one);
}

void ServerOnThread::accepted(UniqueFd socket, const Endpoint& peer) {
  if (draining_) return;  // handed over by a thread that had not heard of it yet
  if (thread_.shared().take_probe(config_->number, peer.port) && config_->facts->is_local(peer.address)) {
    Stream probe(thread_.poller(), std::move(socket));
    if (probe.valid()) begin_probe(std::move(probe));
    return;
  }
  counters_->total_connections.add();
  Reason reason = Reason::ok;
  const PreambleConfig* preamble = config_->preamble.get();
  ConnectionSlot slot = preamble && preamble->wants_header()
                            ? ConnectionSlot::take(config_->limits, reason)
                            : ConnectionSlot::take(config_->limits, peer.address, reason);
  const bool knows_client = !preamble || !preamble->wants_header();
  if (reason == Reason::ok && knows_client && !config_->policy->admits(peer.address))
    reason = Reason::acl_denied;
  if (reason == Reason::ok && thread_.shared().memory().is_short()) reason = Reason::limit_memory;
  Stream stream(thread_.poller(), std::move(socket));
  if (!stream.valid()) reason = Reason::local_resource;
  ClientConnection connection(*this, std::move(stream), peer, std::move(slot));
  if (reason != Reason::ok) return refuse(std::move(connection), reason);
  const std::int64_t active = config_->limits->server->connections.value();
  counters_->peak_connections.raise_to(static_cast<std::uint64_t>(active));
  if (preamble) return adopt(std::make_unique<Preamble>(std::move(connection)));
  handler_->serve(std::move(connection));
}

void ServerOnThread::hand_on(Session& preamble, Reason reason) {
  handing_on_ = &preamble;
  if (reason == Reason::ok)
    handler_->serve(std::move(preamble.connection_));
  else
    refuse(std::move(preamble.connection_), reason);
  handing_on_ = nullptr;
  release(preamble);
}

void ServerOnThread::begin_probe(Stream stream) {
  if (!config_->preamble || !config_->preamble->tls) return handler_->probe(std::move(stream));
  probes_.push_back(std::make_unique<ProbePreamble>(
      config_->preamble, std::move(stream), thread_.deadlines().of(config_->handshake_timeout()),
      [this](ProbePreamble& probe, Stream ready) {
        const auto it = std::ranges::find(probes_, &probe, &std::unique_ptr<ProbePreamble>::get);
        thread_.poller().retire(std::move(*it));
        probes_.erase(it);
        if (ready.valid()) handler_->probe(std::move(ready));
      }));
}

void ServerOnThread::refuse(ClientConnection connection, Reason reason) {
  connection.record({.kind = RecordKind::refusal, .reason = reason, .started = connection.accepted_at()});
  if (!connection.stream().valid()) return;
  const bool speaks_tls = connection.config().preamble && connection.config().preamble->tls;
  if (speaks_tls) return connection.reset();  // the client could not read what a handler says
  handler_->refuse(std::move(connection), reason);
}

void ServerOnThread::set_config(std::shared_ptr<const ServerConfig> config, wire::CounterSlot& counters) {
  config_ = std::move(config);
  counters_ = &counters;
  for (const auto& set : {config_->backends, config_->parents}) set->line()->call_all();
  handler_->on_config();
  for_each_session([](Session& session) { session.on_config(); });
}

std::uint64_t ServerOnThread::drain(std::function<void()> done) {
  draining_ = true;
  const std::uint64_t epoch = ++epoch_;
  draining_count_ = session_count_;
  drained_ = std::move(done);
  thread_.keep_alive().drop(config_->number);
  if (draining_count_ == 0)
    session_drained();
  else
    for_each_session([](Session& session) { session.on_drain(); });
  return epoch;
}

void ServerOnThread::kill_draining(Reason reason, std::uint64_t epoch) {
  for_each_session([epoch, reason](Session& session) {
    if (session.epoch_ < epoch) session.on_kill(reason);
  });
}

static std::uint64_t unix_ms() noexcept {
  return static_cast<std::uint64_t>(wall_now().time_since_epoch().count());
}

static void count_use(wire::Tally* tally) noexcept {
  if (tally == nullptr) return;
  tally->uses.add();
  tally->last_at_ms.raise_to(unix_ms());
}

BackendSlot ServerOnThread::take_slot(const Backend& backend) noexcept {
  wire::Tally* const tally = thread_.tally(backend.spec.tally);
  BackendSlot slot(backend, tally ? &tally->ended : nullptr);
  if (slot.is_taken()) count_use(tally);
  return slot;
}

/// True for what says something about the backend, not about us.
static bool is_backend_failure(Reason outcome) noexcept {
  return outcome == Reason::connect_refused || outcome == Reason::connect_timeout ||
         outcome == Reason::unreachable || outcome == Reason::dns_failed ||
         outcome == Reason::upstream_tls_failed || outcome == Reason::upstream_closed;
}

void note_backend(DataThread& thread, const ServerConfig& config, const Backend& backend, Reason outcome,
                  std::string_view who, std::string_view detail) {
  const auto told = [&] { return (backend.spec.id + " ").append(who).append(" ").append(detail); };
  BackendHealth& health = *backend.health;
  if (outcome == Reason::ok) {
    if (health.note_success(thread.now())) thread.shared().report("backend_up", config.wire.id, told());
  } else if (health.note_failure(thread.now())) {
    thread.shared().report("backend_down", config.wire.id, told());
  }
}

void ServerOnThread::note_connect(const Backend& backend, Reason outcome) {
  if (outcome != Reason::ok) {
    if (!is_backend_failure(outcome)) return;
    if (wire::Tally* const tally = thread_.tally(backend.spec.tally)) tally->failures.add();
  }
  note_backend(thread_, *config_, backend, outcome, "traffic",
               outcome == Reason::ok ? std::string_view{} : name_of(outcome));
}

void ServerOnThread::forget() {
  forgotten_ = true;
  if (connection_count_ == 0) thread_.remove_server(config_->number);
}

void ServerOnThread::connection_opened() noexcept {
  ++connection_count_;
  thread_.add_load(1);
}

void ServerOnThread::connection_closed() noexcept {
  --connection_count_;
  thread_.add_load(-1);
  counters_->closed_connections.add();
  if (forgotten_ && connection_count_ == 0) thread_.remove_server(config_->number);
}

static wire::Tally* tally_of(DataThread& thread, const ServerConfig& config, std::string_view user) {
  const UserTable::User* found = user.empty() || !config.users ? nullptr : config.users->find(user);
  return found == nullptr ? nullptr : thread.tally(found->tally);
}

void ServerOnThread::count_request(std::string_view user, std::uint32_t rule) noexcept {
  counters_->total_requests.add();
  count_use(thread_.tally(rule));
  count_use(tally_of(thread_, *config_, user));
}

void ServerOnThread::record(const ServerConfig& config, AccessContext context,
                            const AccessRecord& record) noexcept {
  const ReasonInfo& why = info(record.reason);
  counters_->reasons[static_cast<std::size_t>(record.reason)].add();
  if (why.is_error) counters_->error_count.add();
  if (why.is_security && thread_.refusals().note(config.wire.id, record.reason, context.client.address))
    thread_.shared().note_refusal();
  if (record.kind == RecordKind::refusal) {
    counters_->refused_connections.add();
    count_use(thread_.tally(record.rule));
  } else if (!record.counted) {
    count_request(record.user, record.rule);
  }
  if (wire::Tally* const tally = tally_of(thread_, *config_, record.user)) {
    if (why.is_error) tally->failures.add();
    tally->bytes_in.add(record.bytes_in);
    tally->bytes_out.add(record.bytes_out);
  }
  if (record.response_time) {
    const auto us = static_cast<std::uint64_t>(record.response_time->count());
    counters_->response_time_sum_us.add(us);
    counters_->response_time_count.add();
    counters_->response_time[wire::bucket_of(us)].add();
  }
  if (!config.access_log || !config.access_log->is_on()) return;
  context.tenant = config.tenant->name;
  context.server = config.wire.name;
  context.server_type = config.wire.type;
  context.ended = wall_now();
  context.duration = std::chrono::duration_cast<std::chrono::microseconds>(thread_.now() - record.started);
  std::string& line = thread_.line_buffer();
  line.clear();
  format_access(config.access_format, context, record, line);
  if (!config.access_log->add(thread_.index(), line)) counters_->dropped_records.add();
}

}  // namespace arcus
