#include "lib/registry/columns.h"

#include <algorithm>
#include <array>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/units.h"

namespace arcus::registry {

using Kind = Column::Kind;

static constexpr std::array<std::string_view, 3> log_formats{"combined", "json", "squid"};
static constexpr std::array<std::string_view, 2> desired_states{"running", "stopped"};
static constexpr std::array<std::string_view, 3> admin_states{"disabled", "drain", "enabled"};
static constexpr std::array<std::string_view, 3> auths{"basic", "mtls", "none"};
static constexpr std::array<std::string_view, 3> client_auths{"none", "request", "require"};
static constexpr std::array<std::string_view, 4> proxy_protocols_in{"any", "off", "v1", "v2"};
static constexpr std::array<std::string_view, 3> proxy_protocols_out{"off", "v1", "v2"};
static constexpr std::array<std::string_view, 4> roles{"origin", "parent_http", "parent_https",
                                                       "parent_socks5"};
static constexpr std::array<std::string_view, 4> health_types{"http", "none", "tcp", "tls"};
static constexpr std::array<std::string_view, 2> tls_versions{"1.2", "1.3"};
static constexpr std::array<std::string_view, 3> verifications{"ca", "full", "none"};
static constexpr std::int64_t day_ms = 86'400'000;
static constexpr std::int64_t max_requests = 1'000'000;
static constexpr std::int64_t max_memory = std::int64_t{1} << 40;
static constexpr std::int64_t max_bandwidth = 100'000'000'000;

static constexpr std::array<Column, 12> tenant_table{{
    {"access_log_format", Kind::choice, "form of access records", 0, 0, false, log_formats},
    {"bandwidth_bytes_per_second", Kind::size,
     "bytes per second, both ways together, as clients see them; 0 = unlimited", 0, max_bandwidth},
    {"description", Kind::text, "free text"},
    {"enabled", Kind::boolean, "false suspends all servers of the tenant"},
    {"labels", Kind::json, "labels as a JSON object"},
    {"max_connections", Kind::integer, "connections at once over all servers; 0 = unlimited"},
    {"max_connections_per_client", Kind::integer, "connections at once from one address; 0 = unlimited"},
    {"max_servers", Kind::integer, "servers it may register; 0 = unlimited"},
    {"memory_limit_bytes", Kind::size,
     "memory of its worker, of a group's the sum of all; nobody new past nine tenths; 0 = unlimited", 0,
     max_memory},
    {"requests_per_second", Kind::rate,
     "requests (http, https), else connections, per second over all servers; 0 = unlimited", 0, max_requests},
    {"worker_group", Kind::name, "share a worker with the tenants of that group", 0, 0, true},
    {"worker_threads", Kind::integer, "data threads of its worker; 0 = automatic", 0, 8},
}};
static_assert(std::ranges::is_sorted(tenant_table, {}, &Column::key));

static constexpr std::array<Column, 48> server_table{{
    {"access_log", Kind::boolean, "write access records"},
    {"access_log_format", Kind::choice, "form of access records; unset = the tenant's", 0, 0, true,
     log_formats},
    {"allow_open", Kind::boolean, "may be an open proxy on a public address"},
    {"alpn", Kind::text, "application protocols offered in TLS; unset = the type's own", 0, 0, true},
    {"auth", Kind::choice,
     "basic: clients log in as a user of the tenant; mtls: their certificate says who they are", 0, 0, false,
     auths},
    {"backlog", Kind::integer, "connections waiting to be accepted", 1, 65'535},
    {"bandwidth_bytes_per_second", Kind::size,
     "bytes per second, both ways together, as clients see them; 0 = unlimited", 0, max_bandwidth},
    {"body_timeout_ms", Kind::duration_ms, "longest pause inside a body", 1, day_ms},
    {"cert", Kind::text, "certificates by name, separated by commas; instead of tls_cert_path", 0, 0, true},
    {"client_auth", Kind::choice, "client certificates in TLS", 0, 0, false, client_auths},
    {"client_ca_path", Kind::text, "who may have signed client certificates, PEM", 0, 0, true},
    {"config", Kind::json, "the type's own options as a JSON object"},
    {"connection_timeout_ms", Kind::duration_ms, "the whole way to the upstream: DNS, TCP, TLS", 1, day_ms},
    {"description", Kind::text, "free text"},
    {"desired_state", Kind::choice, "what is wanted", 0, 0, false, desired_states},
    {"drain_timeout_ms", Kind::duration_ms, "how long connections may take to end on stop", 0, day_ms},
    {"enable_tls", Kind::boolean, "serve TLS (types that do)"},
    {"enabled", Kind::boolean, "false takes the server out of service, its port is free for others"},
    {"fall", Kind::integer, "failures in a row until a backend counts as down", 1, 100},
    {"handshake_timeout_ms", Kind::duration_ms, "PROXY header and TLS together, then SOCKS or hello", 1,
     day_ms},
    {"header_timeout_ms", Kind::duration_ms, "a request head must be complete in this time", 1, day_ms},
    {"health_interval_ms", Kind::duration_ms, "between two checks of a backend; 2 s while in question", 100,
     day_ms},
    {"health_path", Kind::text, "what http checks ask for"},
    {"health_status", Kind::integer, "status that is good; unset = 200 to 399", 100, 599, true},
    {"health_timeout_ms", Kind::duration_ms, "a check must end in this time", 1, 3'600'000},
    {"health_type", Kind::choice, "how backends are checked: connect, TLS handshake, GET; none = by traffic",
     0, 0, false, health_types},
    {"idle_timeout_ms", Kind::duration_ms, "a tunnel without a byte either way is closed", 1, 7 * day_ms},
    {"keepalive_timeout_ms", Kind::duration_ms, "wait for the next request on a kept connection", 1, day_ms},
    {"labels", Kind::json, "labels as a JSON object"},
    {"lb", Kind::text, "balancing algorithm"},
    {"listen_addr", Kind::address, "address to listen on"},
    {"listen_port", Kind::port, "port to listen on; 0 = any free one"},
    {"max_connections", Kind::integer, "connections at once; 0 = unlimited", 0, 4'294'967'295},
    {"max_connections_per_client", Kind::integer, "connections at once from one address; 0 = unlimited"},
    {"proxy_protocol_from", Kind::text, "networks that may send PROXY headers, separated by commas", 0, 0,
     true},
    {"proxy_protocol_in", Kind::choice, "a PROXY header is required from clients", 0, 0, false,
     proxy_protocols_in},
    {"proxy_protocol_out", Kind::choice, "send a PROXY header to upstreams", 0, 0, false,
     proxy_protocols_out},
    {"requests_per_second", Kind::rate, "requests (http, https), else connections, per second; 0 = unlimited",
     0, max_requests},
    {"response_timeout_ms", Kind::duration_ms, "request sent to response head", 1, day_ms},
    {"rise", Kind::integer, "good checks in a row until a backend is up again", 1, 100},
    {"slow_start_ms", Kind::duration_ms, "until a backend that came up has its whole share; 0 = at once", 0,
     3'600'000},
    {"template", Kind::text, "where the values came from", 0, 0, true},
    {"tls_cert_path", Kind::text, "certificate chain, PEM; or a folder of such files with their keys", 0, 0,
     true},
    {"tls_ciphers", Kind::text, "OpenSSL's list for TLS 1.2; unset = ECDHE with AEAD", 0, 0, true},
    {"tls_key_path", Kind::text, "private key, PEM; unset = in the certificate's file", 0, 0, true},
    {"tls_max_version", Kind::choice, "newest TLS version; unset = no bound", 0, 0, true, tls_versions},
    {"tls_min_version", Kind::choice, "oldest TLS version", 0, 0, false, tls_versions},
    {"type", Kind::text, "server type"},
}};
static_assert(std::ranges::is_sorted(server_table, {}, &Column::key));

static constexpr std::array<Column, 12> backend_table{{
    {"admin_state", Kind::choice, "enabled, drain (no new connections) or disabled", 0, 0, false,
     admin_states},
    {"backup", Kind::boolean, "used only when no other backend can serve"},
    {"labels", Kind::json, "labels as a JSON object"},
    {"max_connections", Kind::integer, "connections at once; 0 = unlimited"},
    {"password_path", Kind::text, "file with the password for a parent proxy", 0, 0, true},
    {"role", Kind::choice, "origin, or a parent proxy and its protocol", 0, 0, false, roles},
    {"tls", Kind::boolean, "speak TLS to it"},
    {"tls_ca_path", Kind::text, "authorities to trust, PEM; unset = the system's", 0, 0, true},
    {"tls_server_name", Kind::text, "name for SNI and verification; unset = its host", 0, 0, true},
    {"tls_verify", Kind::choice, "full (chain and name), ca (chain) or none", 0, 0, false, verifications},
    {"user_name", Kind::text, "credentials for a parent proxy", 0, 0, true},
    {"weight", Kind::integer, "share of the traffic", 1, 256},
}};
static_assert(std::ranges::is_sorted(backend_table, {}, &Column::key));

static constexpr std::array<Column, 6> user_table{{
    {"bandwidth_bytes_per_second", Kind::size,
     "bytes per second, both ways together, as clients see them; 0 = unlimited", 0, max_bandwidth},
    {"description", Kind::text, "free text"},
    {"enabled", Kind::boolean, "false keeps the user out"},
    {"expires_at", Kind::text, "a time, 30d or never", 0, 0, true},
    {"max_connections", Kind::integer, "connections at once over all servers; 0 = unlimited"},
    {"requests_per_second", Kind::rate,
     "requests (http, https), else connections, per second over all servers; 0 = unlimited", 0, max_requests},
}};
static_assert(std::ranges::is_sorted(user_table, {}, &Column::key));

std::span<const Column> tenant_columns() noexcept { return tenant_table; }
std::span<const Column> server_columns() noexcept { return server_table; }
std::span<const Column> backend_columns() noexcept { return backend_table; }
std::span<const Column> user_columns() noexcept { return user_table; }

Assignment parse_assignment(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0)
    throw Error(ErrorKind::usage, "'" + std::string{text} + "' is no assignment")
        .with_hint("write KEY=VALUE");
  return {std::string{text.substr(0, equals)}, std::string{text.substr(equals + 1)}};
}

const Column& find_column(std::span<const Column> columns, std::string_view key, std::string_view what) {
  std::vector<std::string> keys;
  for (const Column& column : columns) {
    if (column.key == key) return column;
    keys.emplace_back(column.key);
  }
  throw Error(ErrorKind::usage, "unknown key '" + std::string{key} + "' for a " + std::string{what})
      .about(std::string{key})
      .suggest(nearest_word(key, keys).value_or(""));
}

static std::string range_text(const Column& column) {
  if (column.max == 0) return std::to_string(column.min) + " or more";
  return std::to_string(column.min) + " to " + std::to_string(column.max);
}

static std::optional<std::int64_t> read_number(Kind kind, std::string_view value) {
  if (const auto plain = parse_integer(value)) return plain;
  if (kind == Kind::size) return parse_size_rate(value);
  if (kind == Kind::rate) return parse_rate(value);
  if (kind != Kind::duration_ms) return std::nullopt;
  const auto duration = parse_duration(value);
  if (!duration) return std::nullopt;
  return duration->count();
}

static std::optional<std::string> canonical_number(const Column& column, std::string_view value) {
  const auto number = read_number(column.kind, value);
  if (!number || *number < column.min || (column.max != 0 && *number > column.max)) return std::nullopt;
  return std::to_string(*number);
}

static std::optional<std::string> canonical_boolean(std::string_view value) {
  if (value == "true" || value == "1" || value == "yes" || value == "on") return "1";
  if (value == "false" || value == "0" || value == "no" || value == "off") return "0";
  return std::nullopt;
}

static std::string choice_text(const Column& column) {
  std::string text = "one of";
  for (const std::string_view word : column.words) (text += ' ') += word;
  return text;
}

/// The canonical text, or what would have been right.
static std::optional<std::string> canonical(const Column& column, std::string_view value,
                                            std::string& expected) {
  switch (column.kind) {
    case Kind::integer:
    case Kind::size:
    case Kind::rate:
    case Kind::duration_ms:
      expected = range_text(column) + (column.kind == Kind::duration_ms ? " ms, or a duration such as 30s"
                                       : column.kind == Kind::size      ? " bytes, or a size such as 10MiB"
                                                                        : "");
      return canonical_number(column, value);
    case Kind::boolean:
      expected = "true or false";
      return canonical_boolean(value);
    case Kind::choice:
      expected = choice_text(column);
      if (std::ranges::find(column.words, value) == column.words.end()) return std::nullopt;
      return std::string{value};
    case Kind::port: {
      expected = "1 to 65535, or 0 for any free port";
      const auto port = parse_port(value, true);
      return port ? std::optional{std::to_string(*port)} : std::nullopt;
    }
    case Kind::address: {
      expected = "an IPv4 or IPv6 address";
      const auto address = IpAddress::parse(value);
      return address ? std::optional{address->to_string()} : std::nullopt;
    }
    case Kind::name:
      expected = "1-63 of a-z 0-9 . _ - starting with a letter or digit";
      return is_name(value) ? std::optional{std::string{value}} : std::nullopt;
    case Kind::text:
    case Kind::json:
      expected = "text without control bytes, 4096 bytes at the most, in UTF-8";
      if (!is_utf8(value) || value.size() > (column.kind == Kind::json ? 1u << 20 : 4096u))
        return std::nullopt;
      if (std::ranges::any_of(
              value, [](char c) { return (c >= 0 && c < ' ' && c != '\n' && c != '\t') || c == 127; }))
        return std::nullopt;
      return std::string{value};
  }
  return std::nullopt;
}

std::string canonical_value(const Column& column, std::string_view value) {
  std::string expected;
  if (auto good = canonical(column, value, expected)) return *good;
  throw Error(ErrorKind::usage,
              std::string{column.key} + ": " + expected + ", not '" + std::string{value} + "'")
      .about(std::string{column.key});
}

std::int64_t number_of(std::span<const Column> columns, std::string_view key, std::string_view value) {
  const auto column = std::ranges::find(columns, key, &Column::key);
  return parse_integer(canonical_value(*column, value)).value_or(0);
}

}  // namespace arcus::registry
