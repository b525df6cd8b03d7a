#include "lib/base/reason.h"

#include <array>

namespace arcus {

static constexpr std::array<ReasonInfo, reason_count> table{{
    {Reason::ok, "ok", "completed as asked", false, false, false},
    {Reason::client_closed, "client_closed", "the client closed or reset before the end", false, false,
     false},
    {Reason::upstream_closed, "upstream_closed", "the upstream closed or reset before the end", true, false,
     false},
    {Reason::idle_timeout, "idle_timeout", "no byte moved for idle_timeout", false, false, false},
    {Reason::header_timeout, "header_timeout", "the request head was not complete in header_timeout", false,
     false, false},
    {Reason::handshake_timeout, "handshake_timeout", "the handshake was not complete in time", false, false,
     false},
    {Reason::body_timeout, "body_timeout", "a body stood still for body_timeout", true, false, false},
    {Reason::tls_failed, "tls_failed", "the TLS handshake with the client failed", true, false, true},
    {Reason::no_sni, "no_sni", "the client named no server", false, true, true},
    {Reason::no_route, "no_route", "no route matches the server name", false, true, true},
    {Reason::bad_request, "bad_request", "the request breaks the protocol", true, false, true},
    {Reason::unsupported_method, "unsupported_method", "the method or command is not served here", true,
     false, true},
    {Reason::unsupported_version, "unsupported_version", "the protocol version is not served here", true,
     false, true},
    {Reason::header_too_large, "header_too_large", "the request line or head is too large", true, false,
     true},
    {Reason::auth_required, "auth_required", "credentials are required", false, true, false},
    {Reason::auth_failed, "auth_failed", "the credentials are wrong", false, true, true},
    {Reason::user_disabled, "user_disabled", "the user is disabled or expired", false, true, true},
    {Reason::acl_denied, "acl_denied", "a rule denies it", false, true, true},
    {Reason::destination_denied, "destination_denied", "the destination address is not open to clients",
     false, true, true},
    {Reason::limit_worker, "limit_worker", "the worker's connection limit is reached", false, true, false},
    {Reason::limit_tenant, "limit_tenant", "the tenant's connection limit is reached", false, true, false},
    {Reason::limit_server, "limit_server", "the server's connection limit is reached", false, true, false},
    {Reason::limit_client, "limit_client", "the client address has too many connections", false, true, true},
    {Reason::limit_user, "limit_user", "the user has too many connections", false, true, true},
    {Reason::limit_backend, "limit_backend", "every backend stayed at its connection limit", false, true,
     false},
    {Reason::limit_memory, "limit_memory", "the memory budget is used up", false, true, false},
    {Reason::rate_limited, "rate_limited", "more requests per second than allowed", false, true, true},
    {Reason::dns_failed, "dns_failed", "the name did not resolve", true, false, false},
    {Reason::connect_refused, "connect_refused", "the upstream refused the connection", true, false, false},
    {Reason::connect_timeout, "connect_timeout", "the upstream did not answer in connection_timeout", true,
     false, false},
    {Reason::unreachable, "unreachable", "no route to the upstream", true, false, false},
    {Reason::local_resource, "local_resource", "descriptors, ports or buffers ran out here", true, false,
     false},
    {Reason::no_backend, "no_backend", "no backend can serve", true, false, false},
    {Reason::upstream_tls_failed, "upstream_tls_failed", "the TLS handshake with the upstream failed", true,
     false, false},
    {Reason::upstream_protocol, "upstream_protocol", "the upstream's answer breaks the protocol", true, false,
     false},
    {Reason::response_timeout, "response_timeout", "no answer in response_timeout", true, false, false},
    {Reason::loop_detected, "loop_detected", "the request came back to this proxy", true, false, true},
    {Reason::draining, "draining", "the server is stopping", false, true, false},
    {Reason::tenant_disabled, "tenant_disabled", "the tenant is disabled", false, true, true},
    {Reason::killed, "killed", "ended by an operator", false, false, false},
    {Reason::protocol_error, "protocol_error", "bytes that no protocol here explains", true, false, true},
    {Reason::internal, "internal", "a fault of this program", true, false, false},
}};

static constexpr bool in_order() {
  for (std::size_t i = 0; i < table.size(); ++i)
    if (static_cast<std::size_t>(table[i].reason) != i) return false;
  return true;
}
static_assert(in_order());

std::span<const ReasonInfo> reasons() noexcept { return table; }

const ReasonInfo& info(Reason reason) noexcept { return table[static_cast<std::size_t>(reason)]; }

std::optional<Reason> find_reason(std::string_view name) noexcept {
  for (const ReasonInfo& row : table)
    if (row.name == name) return row.reason;
  return std::nullopt;
}

}  // namespace arcus
