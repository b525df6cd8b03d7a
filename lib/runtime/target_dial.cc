#include "lib/runtime/target_dial.h"

#include <algorithm>
#include <utility>

#include "lib/net/proxy_header.h"
#include "lib/runtime/thread.h"

namespace arcus {

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

TargetDial::TargetDial(ClientConnection& client, DialHandler& handler) noexcept
    : client_(client), handler_(handler), connector_(client.thread().net(), *this) {}

void TargetDial::start(std::string_view host, std::uint16_t port) {
  if (!has_parents(client_.config()))
    return connector_.start(to_target(client_, host, port, nullptr, client_.config().connection_timeout()));
  host_ = host;
  port_ = port;
  client_.thread().deadlines().of(client_.config().connection_timeout()).arm(total_);
  if (choose_parent()) return attempt();
  total_.disarm();
  connector_.fail_later(last_failure_);
}

bool TargetDial::choose_parent() {
  BackendChooser& chooser = client_.server().parent_chooser();
  Reason reason = last_failure_;
  parent_ = tried_.size() >= max_attempts
                ? nullptr
                : chooser.pick(*client_.config().parents, tried_, client_key(client_.peer().address),
                               client_.thread().now(), reason);
  if (parent_ == nullptr) {
    if (tried_.empty()) last_failure_ = reason;
    return false;
  }
  tried_.push_back(chooser.last_index());
  slot_ = client_.server().take_slot(*parent_);
  return true;
}

void TargetDial::attempt() {
  const auto timeout = client_.config().connection_timeout();
  const bool last = tried_.size() >= std::min(max_attempts, client_.config().parents->all().size());
  connector_.start(to_target(client_, host_, port_, parent_, last ? timeout : timeout / 3));
}

Reason TargetDial::on_address(const Endpoint& address) {
  return parent_ == nullptr ? handler_.on_address(address) : Reason::ok;
}

void TargetDial::on_dialed(Stream stream, const Endpoint& address, bool reused) {
  total_.disarm();
  if (parent_ != nullptr) client_.server().note_connect(*parent_, Reason::ok);
  handler_.on_dialed(std::move(stream), address, reused);
}

void TargetDial::on_dial_failed(Reason reason) {
  if (parent_ == nullptr) return handler_.on_dial_failed(reason);
  const bool works = connector_.is_target_failure();
  client_.server().note_connect(*parent_, works ? Reason::ok : reason);
  last_failure_ = reason;
  slot_.give_back();
  if (!works && choose_parent()) return attempt();
  total_.disarm();
  handler_.on_dial_failed(reason);
}

void TargetDial::on_deadline(Deadline&) {
  connector_.stop();
  client_.server().note_connect(*parent_, Reason::connect_timeout);
  slot_.give_back();
  handler_.on_dial_failed(Reason::connect_timeout);
}

}  // namespace arcus
