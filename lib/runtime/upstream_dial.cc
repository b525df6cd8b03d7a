#include "lib/runtime/upstream_dial.h"

#include <algorithm>
#include <utility>

#include "lib/net/proxy_header.h"
#include "lib/runtime/thread.h"

namespace arcus {

static constexpr int most_tried = static_cast<int>(BackendChoice::max_attempts);

std::chrono::milliseconds attempt_timeout(const ServerConfig& config, bool may_go_on) noexcept {
  const std::chrono::milliseconds all = config.connection_timeout();
  return may_go_on ? std::max(all / most_tried, std::chrono::milliseconds{1}) : all;
}

static std::optional<IpAddress> source_of(const ServerConfig& config) {
  const std::string& text = config.tenant->egress_addr;
  return text.empty() ? std::nullopt : IpAddress::parse(text);
}

static std::string header_for(const ClientConnection& client) {
  const int version = client.config().proxy_out;
  return version == 0 ? std::string{} : write_proxy_header(version, client.peer(), client.local());
}

ConnectRequest to_backend(const ClientConnection& client, const Backend& backend,
                          std::chrono::milliseconds timeout) {
  return {.host = backend.spec.host,
          .port = backend.spec.port,
          .timeout = timeout,
          .source = source_of(client.config()),
          .link = backend.link,
          .proxy_header = header_for(client)};
}

ConnectRequest to_target(const ClientConnection& client, std::string_view host, std::uint16_t port,
                         const Backend* parent, std::chrono::milliseconds timeout) {
  if (parent == nullptr)
    return {.host = std::string{host},
            .port = port,
            .timeout = timeout,
            .source = source_of(client.config()),
            .proxy_header = header_for(client)};
  return {.host = parent->spec.host,
          .port = parent->spec.port,
          .timeout = timeout,
          .source = source_of(client.config()),
          .link = parent->link,
          .tunnel_host = std::string{host},
          .tunnel_port = port};
}

bool has_parents(const ServerConfig& config) noexcept { return !config.parents->empty(); }

policy::Decision decide_for_parent(const ServerConfig& config, const policy::Request& request) {
  // What a name stands for only the parent will know; an address is judged as if we went there ourselves.
  if (const auto literal = IpAddress::parse(request.host)) {
    const Endpoint address{literal->unmapped(), request.port};
    if (config.facts->is_own(address))
      return {.verdict = policy::Verdict::deny, .reason = Reason::destination_denied};
    return config.policy->decide_address(request, address, {});
  }
  return config.policy->empty() ? policy::Decision{} : config.policy->decide_name(request);
}

UpstreamDial::UpstreamDial(ClientConnection& client, DialHandler& handler) noexcept
    : client_(client), handler_(handler), connector_(client.thread().net(), *this) {}

void UpstreamDial::start_directly(std::string_view host, std::uint16_t port) {
  connector_.start(to_target(client_, host, port, nullptr, client_.config().connection_timeout()));
}

void UpstreamDial::start_to_target(std::string_view host, std::uint16_t port) {
  if (!has_parents(client_.config())) return start_directly(host, port);
  through_parents_ = true;
  host_ = host;
  port_ = port;
  step(true);
}

void UpstreamDial::start_to_backend() { step(true); }

void UpstreamDial::on_turn() {
  if (choice_.attempts() == 0) client_.renew_config();  // perhaps it was called for what that changed
  step(false);
}

/// To the next one, when there is one; `is_first` = inside start, which must return before it reports.
void UpstreamDial::step(bool is_first) {
  DeadlineList& timeout = client_.thread().deadlines().of(client_.config().connection_timeout());
  switch (choice_.next(client_, through_parents_, *this)) {
    case BackendChoice::Step::go:
      if (choice_.attempts() == 1) timeout.arm(total_);
      return attempt();
    case BackendChoice::Step::wait:
      if (!total_.is_armed()) timeout.arm(total_);
      return;
    case BackendChoice::Step::none:
      break;
  }
  total_.disarm();
  const Reason reason = choice_.attempts() == 0 ? choice_.failure() : last_failure_;
  return is_first ? connector_.fail_later(reason) : handler_.on_dial_failed(reason);
}

/// While another one could be asked, one may take a third of the time.
void UpstreamDial::attempt() {
  const ServerConfig& config = client_.config();
  const bool more = choice_.may_go_on(through_parents_ ? *config.parents : *config.backends);
  const auto timeout = attempt_timeout(config, more);
  const Backend& backend = *choice_.backend();
  attempted_at_ = client_.thread().now();
  connector_.start(through_parents_ ? to_target(client_, host_, port_, &backend, timeout)
                                    : to_backend(client_, backend, timeout));
}

Reason UpstreamDial::on_address(const Endpoint& address) {
  return through_parents_ ? Reason::ok : handler_.on_address(address);
}

void UpstreamDial::on_dialed(Stream stream, const Endpoint& address, bool reused) {
  total_.disarm();
  if (const Backend* backend = choice_.backend()) client_.server().note_connect(*backend, Reason::ok);
  handler_.on_dialed(std::move(stream), address, reused);
}

void UpstreamDial::on_dial_failed(Reason reason) {
  const Backend* backend = choice_.backend();
  if (backend == nullptr) return handler_.on_dial_failed(reason);
  const bool works = connector_.is_target_failure();
  client_.server().note_connect(*backend, works ? Reason::ok : reason);
  last_failure_ = reason;
  if (!works) return step(false);
  total_.disarm();
  handler_.on_dial_failed(reason);
}

void UpstreamDial::on_deadline(Deadline&) {
  Reason reason = Reason::connect_timeout;
  if (choice_.is_waiting()) reason = choice_.attempts() == 0 ? Reason::limit_backend : last_failure_;
  connector_.stop();
  const Backend* backend = choice_.backend();
  // The last of several has what the others left.
  const bool had_time =
      client_.thread().now() - attempted_at_ >= client_.config().connection_timeout() / (2 * most_tried);
  if (backend != nullptr && had_time) client_.server().note_connect(*backend, reason);
  choice_.reset();
  handler_.on_dial_failed(reason);
}

}  // namespace arcus
