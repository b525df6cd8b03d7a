#include "proxies/http/config.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/policy/guard.h"

namespace arcus::http {

static ForwardedFor forwarded_mode(std::string_view word, bool reverse) noexcept {
  if (word == "append") return ForwardedFor::append;
  if (word == "keep") return ForwardedFor::keep;
  if (word == "replace") return ForwardedFor::replace;
  return word == "auto" && reverse ? ForwardedFor::replace : ForwardedFor::remove;
}

ConnectPorts::ConnectPorts(const Options& options) {
  for (const std::string& word : options.list("connect_ports")) {
    const auto port = parse_port(word);
    if (!port && word != "*") throw Error(ErrorKind::failed, "connect_ports: '" + word + "' is not a port");
    if (port) ports_.push_back(*port);
    any_ = any_ || !port;
  }
}

bool ConnectPorts::contains(std::uint16_t port) const noexcept {
  return any_ || std::ranges::find(ports_, port) != ports_.end();
}

Reason judge_port(const ConnectPorts& connect, bool is_connect, std::uint16_t port) noexcept {
  const bool open = is_connect ? connect.contains(port) : !policy::is_bad_http_port(port);
  return open ? Reason::ok : Reason::destination_denied;
}

HttpConfig::HttpConfig(const ServerConfig& config) : connect_ports(config.options) {
  for (const Backend& backend : config.backends->all()) {
    backend_literals.push_back(IpAddress::parse(backend.spec.host));
    reverse = true;
  }
  for (const wire::RouteConfig& route : config.wire.routes) routes.add(route.pattern, route.target);
  reverse = reverse || !routes.empty();
  forwarded_for = forwarded_mode(config.options.text("forwarded_for"), reverse);
  // A token of this server's own: two proxies of one registry in a row are no loop.
  if (config.options.boolean("via")) via = config.facts->instance() + "-" + config.wire.id.substr(0, 6);
  upgrades = config.options.list("upgrade");
  pool_idle_per_host = static_cast<std::size_t>(config.options.integer("pool_idle_per_host"));
}

std::string_view HttpConfig::upgrade_of(std::string_view list) const noexcept {
  for (const std::string& word : upgrades)
    if (has_word(list, word)) return word;
  return {};
}

}  // namespace arcus::http
