#include "lib/runtime/health_checks.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "lib/net/proxy_header.h"
#include "lib/runtime/thread.h"
#include "lib/runtime/upstream_dial.h"
#include "lib/upstream/connector.h"

namespace arcus {

using std::chrono::milliseconds;

/// How often it is looked what is due.
static constexpr milliseconds tick{50};
/// A status line is shorter.
static constexpr std::size_t most_answer = 1024;

struct HealthChecks::Round {
  explicit Round(std::function<void()> its_done) : done(std::move(its_done)) {}
  ~Round() { done(); }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;
  std::function<void()> done;
};

/// How a check speaks to the backend; null = plain TCP. A parent proxy is asked for nothing.
static std::shared_ptr<const BackendLink> link_for_check(const ServerConfig& config, const Backend& backend) {
  const bool is_origin = backend.spec.role == BackendRole::origin;
  if (config.wire.health_type == "http" && is_origin) return backend.link;
  if (config.wire.health_type != "tls") return nullptr;
  if (is_origin && backend.link) return backend.link;
  // Whom it belongs to is not ours to ask when clients speak TLS with it themselves.
  BackendSpec spec = backend.spec;
  if (!spec.tls && spec.role != BackendRole::parent_https) spec.tls_verify = "none";
  spec.tls = true;
  spec.role = BackendRole::origin;
  spec.user_name.clear();
  spec.password.clear();
  return BackendLink::make(spec);
}

/// "HTTP/1.1 200 OK" -> 200; 0 = no such line; nothing while it may still become one.
static std::optional<int> status_of(std::string_view answer) {
  constexpr std::string_view start = "HTTP/1.";
  constexpr std::size_t size = start.size() + 6;  // "x 200" and what follows
  if (!start.starts_with(answer.substr(0, start.size()))) return 0;
  if (answer.size() < size) return std::nullopt;
  int status = 0;
  const char* const first = answer.data() + start.size() + 2;
  const auto [end, error] = std::from_chars(first, first + 3, status);
  const char after = answer[size - 1];
  const bool is_line = error == std::errc{} && end == first + 3 && answer[start.size() + 1] == ' ' &&
                       (after == ' ' || after == '\r' || after == '\n');
  return is_line ? status : 0;
}

static bool is_interim(int status) noexcept { return status >= 100 && status < 200; }

/// One backend of one server.
class HealthChecks::Check final : public Retired,
                                  private DialHandler,
                                  private StreamHandler,
                                  private DeadlineHandler {
 public:
  Check(HealthChecks& owner, std::shared_ptr<const ServerConfig> config, const Backend& backend)
      : owner_(owner),
        config_(std::move(config)),
        backend_(&backend),
        connector_(owner.thread_.net(), *this) {}

  SteadyTime due() const noexcept { return due_; }
  void set_due(SteadyTime due) noexcept { due_ = due; }
  bool is_running() const noexcept { return running_; }
  const BackendHealth* health() const noexcept { return backend_->health.get(); }
  /// Goes on where `other` ends: no later than `latest`, at once when somebody waits for it.
  void follow(Check& other, SteadyTime now, SteadyTime latest) {
    if (other.link_ && other.config_->wire.health_type == config_->wire.health_type &&
        links_alike(other.backend_->spec, backend_->spec))
      link_ = other.link_;
    ok_in_row_ = other.ok_in_row_;
    failed_in_row_ = other.failed_in_row_;
    rounds_ = std::move(other.rounds_);
    due_ = rounds_.empty() ? std::min(other.due_, latest) : now;
    is_known_ = other.is_known_;
  }
  void join(std::shared_ptr<Round> round) { rounds_.push_back(std::move(round)); }
  void start();
  void stop() noexcept;

 private:
  void on_dialed(Stream stream, const Endpoint& address, bool reused) override;
  void on_dial_failed(Reason reason) override { finish(reason, connector_.detail()); }
  void on_ready(Stream& stream) override;
  void on_deadline(Deadline&) override { finish(Reason::connect_timeout, "no answer in time"); }
  void hear();
  void skip_interims();
  void judge(int status);
  void finish(Reason reason, std::string detail);

  bool asks() const noexcept {
    return config_->wire.health_type == "http" && backend_->spec.role == BackendRole::origin;
  }
  std::string request() const;

  HealthChecks& owner_;
  std::shared_ptr<const ServerConfig> config_;
  const Backend* backend_;                                  ///< of config_
  std::optional<std::shared_ptr<const BackendLink>> link_;  ///< made at the first start
  Connector connector_;
  Stream stream_;
  std::string output_;  ///< not yet taken by the stream
  std::string answer_;
  Deadline total_{*this};
  SteadyTime due_;
  SteadyTime began_;
  std::int64_t ok_in_row_ = 0;
  std::int64_t failed_in_row_ = 0;
  std::vector<std::shared_ptr<Round>> rounds_;  ///< that wait for this one
  bool running_ = false;
  bool is_known_ = false;  ///< the daemon knows a state of it
};

void HealthChecks::Check::start() {
  if (running_) return;
  if (!link_) link_ = link_for_check(*config_, *backend_);
  running_ = true;
  DataThread& thread = owner_.thread_;
  began_ = thread.now();
  const milliseconds timeout{config_->wire.health_timeout_ms};
  thread.deadlines().of(timeout).arm(total_);
  const std::string& source = config_->tenant->egress_addr;
  connector_.start(
      {.host = backend_->spec.host,
       .port = backend_->spec.port,
       .timeout = timeout,
       .source = source.empty() ? std::nullopt : IpAddress::parse(source),
       .link = *link_,
       .proxy_header = config_->proxy_out == 0 ? "" : write_local_proxy_header(config_->proxy_out)});
}

void HealthChecks::Check::stop() noexcept {
  connector_.stop();
  stream_.close();
  total_.disarm();
  running_ = false;
  rounds_.clear();
}

std::string HealthChecks::Check::request() const {
  const BackendSpec& spec = backend_->spec;
  const std::string& name = spec.tls_server_name.empty() ? spec.host : spec.tls_server_name;
  const bool is_default = spec.port == (spec.tls ? 443 : 80);
  return "GET " + config_->wire.health_path + " HTTP/1.1\r\nHost: " +
         (is_default ? (name.find(':') == std::string::npos ? name : "[" + name + "]")
                     : HostPort{name, spec.port}.to_string()) +
         "\r\nUser-Agent: arcusctl-check\r\nAccept: */*\r\nConnection: close\r\n\r\n";
}

void HealthChecks::Check::on_dialed(Stream stream, const Endpoint&, bool) {
  stream_ = std::move(stream);
  if (!asks()) return finish(Reason::ok, {});
  output_ = request();
  answer_.clear();
  stream_.set_handler(this);
  on_ready(stream_);
}

void HealthChecks::Check::on_ready(Stream&) {
  while (!output_.empty() && stream_.writable()) {
    const IoResult sent = stream_.write(output_);
    if (sent.status == IoStatus::failed) return finish(Reason::upstream_closed, {});
    output_.erase(0, sent.bytes);
    if (sent.status == IoStatus::blocked) break;
  }
  hear();
}

void HealthChecks::Check::hear() {
  while (running_ && stream_.readable()) {
    char bytes[256];
    const IoResult got = stream_.read(bytes);
    if (got.status == IoStatus::blocked) return;
    if (got.status != IoStatus::ok) return finish(Reason::upstream_closed, "closed without an answer");
    answer_.append(bytes, got.bytes);
    skip_interims();
    if (const auto status = status_of(answer_); status && !is_interim(*status)) return judge(*status);
    if (answer_.size() > most_answer) return judge(0);
  }
}

/// Answers before the answer, such as 103 (RFC 9110, 15.2).
void HealthChecks::Check::skip_interims() {
  constexpr std::string_view end = "\r\n\r\n";
  for (auto status = status_of(answer_); status && is_interim(*status); status = status_of(answer_)) {
    const std::size_t at = answer_.find(end);
    if (at == std::string::npos) return;
    answer_.erase(0, at + end.size());
  }
}

void HealthChecks::Check::judge(int status) {
  if (status == 0) return finish(Reason::upstream_protocol, "no HTTP answer");
  const std::int64_t wanted = config_->wire.health_status;
  const bool is_good = wanted == 0 ? status >= 200 && status < 400 : status == wanted;
  if (is_good) return finish(Reason::ok, {});
  finish(Reason::upstream_protocol, "status " + std::to_string(status));
}

void HealthChecks::Check::finish(Reason reason, std::string detail) {
  connector_.stop();
  if (stream_.valid() && stream_.layer()) static_cast<void>(stream_.shutdown_write());
  stream_.close();
  total_.disarm();
  running_ = false;
  DataThread& thread = owner_.thread_;
  ok_in_row_ = reason == Reason::ok ? ok_in_row_ + 1 : 0;
  failed_in_row_ = reason == Reason::ok ? 0 : failed_in_row_ + 1;
  if (detail.empty() && reason != Reason::ok) detail = name_of(reason);
  const bool was_down = backend_->health->is_down();
  if (reason != Reason::local_resource) note_backend(thread, *config_, *backend_, reason, "check", detail);
  // Nobody knew of it until now.
  if (reason == Reason::ok && !was_down && !std::exchange(is_known_, true))
    thread.shared().report("backend_up", config_->wire.id, backend_->spec.id + " check ");
  const auto took =
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - began_);
  owner_.keep({.backend_id = backend_->spec.id,
               .server_id = config_->wire.id,
               .checked_at_ms = wall_now().time_since_epoch().count(),
               .latency_us = took.count(),
               .ok_in_row = ok_in_row_,
               .failed_in_row = failed_in_row_,
               .error = std::move(detail)});
  const milliseconds interval{config_->wire.health_interval_ms};
  const bool in_question = backend_->health->is_in_question();
  due_ = thread.now() + owner_.jittered(in_question ? std::min(interval, doubtful) : interval);
  rounds_.clear();
}

HealthChecks::HealthChecks(DataThread& thread) noexcept : thread_(thread) {}

HealthChecks::~HealthChecks() {
  for (auto& [server, checks] : checks_)
    for (const auto& check : checks) check->stop();
}

milliseconds HealthChecks::jittered(milliseconds interval) noexcept {
  random_ = random_ * 6'364'136'223'846'793'005 + 1'442'695'040'888'963'407;
  const auto fifth = static_cast<std::uint64_t>(interval.count() / 5);
  const auto more = fifth == 0 ? 0 : static_cast<std::int64_t>((random_ >> 33) % fifth);
  return interval - interval / 10 + milliseconds{more};
}

void HealthChecks::watch(std::shared_ptr<const ServerConfig> config) {
  Checks& old = checks_[config->number];
  Checks next;
  std::unordered_map<const BackendHealth*, Check*> known;
  for (const auto& check : old) known.emplace(check->health(), check.get());
  // The first look is soon, but not at all of them at the same moment.
  const SteadyTime now = thread_.now();
  if (config->wire.health_type != "none")
    for (const auto& set : {config->backends, config->parents})
      for (const Backend& backend : set->all()) {
        if (backend.spec.admin_state == AdminState::disabled) continue;
        auto check = std::make_unique<Check>(*this, config, backend);
        check->set_due(now + jittered(milliseconds{200}) - milliseconds{150});
        if (const auto found = known.find(backend.health.get()); found != known.end())
          check->follow(*found->second, now, now + jittered(milliseconds{config->wire.health_interval_ms}));
        next.push_back(std::move(check));
      }
  std::swap(old, next);
  for (auto& check : next) {
    check->stop();
    thread_.poller().retire(std::move(check));
  }
  tick_on();
}

void HealthChecks::renew(const std::shared_ptr<const ServerConfig>& config) {
  if (checks_.contains(config->number)) watch(config);
}

void HealthChecks::unwatch(std::uint64_t server) {
  const auto found = checks_.find(server);
  if (found == checks_.end()) return;
  for (auto& check : found->second) {
    check->stop();
    thread_.poller().retire(std::move(check));
  }
  checks_.erase(found);
}

void HealthChecks::clear() {
  while (!checks_.empty()) unwatch(checks_.begin()->first);
  tick_.disarm();
}

void HealthChecks::tick_on() {
  const bool has_work = std::ranges::any_of(checks_, [](const auto& entry) { return !entry.second.empty(); });
  if (has_work && !tick_.is_armed()) thread_.deadlines().of(tick).arm(tick_);
}

void HealthChecks::on_deadline(Deadline&) {
  tick_on();  // first: whatever fails, it goes on
  const SteadyTime now = thread_.now();
  for (auto& [server, checks] : checks_)
    for (const auto& check : checks) {
      if (!check->is_running() && check->due() <= now) start(*check);
    }
}

void HealthChecks::start(Check& check) {
  try {
    check.start();
  } catch (const std::exception&) {  // no memory: there may be some the next time
    check.stop();
    check.set_due(thread_.now() + doubtful);
  }
}

void HealthChecks::check_all(std::function<void()> done) {
  const auto round = std::make_shared<Round>(std::move(done));
  for (auto& [server, checks] : checks_)
    for (const auto& check : checks) {
      check->join(round);
      start(*check);
    }
}

std::vector<wire::BackendStatus> HealthChecks::take_results() {
  std::vector<wire::BackendStatus> out;
  for (auto& [id, result] : std::exchange(results_, {})) out.push_back(std::move(result));
  return out;
}

}  // namespace arcus
