#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace arcus {

/// Why a connection or request ended. One closed set: the same word in access records, table `server_reason`,
/// audit, metric labels, `X-Arcus-Error` and `explain`. The order is the layout of the per-reason counters:
/// append only.
enum class Reason : unsigned char {
  ok,
  client_closed,
  upstream_closed,
  idle_timeout,
  header_timeout,
  handshake_timeout,
  body_timeout,
  tls_failed,
  no_sni,
  no_route,
  bad_request,
  unsupported_method,
  unsupported_version,
  header_too_large,
  auth_required,
  auth_failed,
  user_disabled,
  acl_denied,
  destination_denied,
  limit_worker,
  limit_tenant,
  limit_server,
  limit_client,
  limit_user,
  limit_backend,
  limit_memory,
  rate_limited,
  dns_failed,
  connect_refused,
  connect_timeout,
  unreachable,
  local_resource,
  no_backend,
  upstream_tls_failed,
  upstream_protocol,
  response_timeout,
  loop_detected,
  draining,
  tenant_disabled,
  killed,
  protocol_error,
  internal,
};

inline constexpr std::size_t reason_count = static_cast<std::size_t>(Reason::internal) + 1;

/// One row of the table of reasons.
struct ReasonInfo {
  Reason reason;
  std::string_view name;
  std::string_view summary;  ///< a sentence for people, lower case
  bool is_error;             ///< counted in error_count: something went wrong on our or the upstream's side
  bool is_refusal;           ///< counted in refused_connections when it ends a connection before any service
  bool is_security;          ///< somebody tried what is not allowed: told in the audit, collapsed
};

/// All reasons, in the order of the enum.
std::span<const ReasonInfo> reasons() noexcept;

const ReasonInfo& info(Reason reason) noexcept;
inline std::string_view name_of(Reason reason) noexcept { return info(reason).name; }

/// The reason of that name, if there is one.
std::optional<Reason> find_reason(std::string_view name) noexcept;

}  // namespace arcus
