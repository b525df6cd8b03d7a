#include <concepts>
#include <limits>
#include <nlohmann/json.hpp>

#include "lib/base/error.h"
#include "lib/wire/messages.h"

namespace arcus::wire {
namespace {

using Json = nlohmann::json;

/// The fields of one struct, named once: used for writing and for reading.
template <typename T>
struct Fields;

template <typename T>
concept Struct = requires(T& value) {
  Fields<T>::each(value, [](std::string_view, auto&) {});
};

template <>
struct Fields<CertificateConfig> {
  static void each(auto& v, auto&& f) {
    f("name", v.name), f("cert_pem", v.cert_pem), f("key_pem", v.key_pem);
  }
};

template <>
struct Fields<TlsConfig> {
  static void each(auto& v, auto&& f) {
    f("enabled", v.enabled), f("certificates", v.certificates), f("min_version", v.min_version);
    f("max_version", v.max_version), f("ciphers", v.ciphers), f("alpn", v.alpn);
    f("client_auth", v.client_auth), f("client_ca_pem", v.client_ca_pem), f("ticket_keys", v.ticket_keys);
  }
};

template <>
struct Fields<RouteConfig> {
  static void each(auto& v, auto&& f) { f("pattern", v.pattern), f("target", v.target); }
};

template <>
struct Fields<BackendConfig> {
  static void each(auto& v, auto&& f) {
    f("id", v.id), f("tally", v.tally), f("host", v.host), f("port", v.port), f("weight", v.weight);
    f("backup", v.backup);
    f("max_connections", v.max_connections), f("admin_state", v.admin_state), f("role", v.role);
    f("tls", v.tls), f("tls_verify", v.tls_verify), f("tls_server_name", v.tls_server_name);
    f("tls_ca_pem", v.tls_ca_pem), f("user_name", v.user_name), f("password", v.password);
    f("state", v.state);
  }
};

template <>
struct Fields<RuleConfig> {
  static void each(auto& v, auto&& f) {
    f("tally", v.tally), f("number", v.number), f("allow", v.allow), f("client", v.client);
    f("user", v.user), f("host", v.host);
    f("destination", v.destination), f("port_first", v.port_first), f("port_last", v.port_last);
    f("method", v.method), f("time_window", v.time_window);
  }
};

template <>
struct Fields<UserConfig> {
  static void each(auto& v, auto&& f) {
    f("name", v.name), f("password_hash", v.password_hash), f("enabled", v.enabled), f("tally", v.tally);
    f("max_connections", v.max_connections), f("requests_per_second", v.requests_per_second);
    f("bandwidth_bytes_per_second", v.bandwidth_bytes_per_second);
  }
};

template <>
struct Fields<TenantConfig> {
  static void each(auto& v, auto&& f) {
    f("id", v.id), f("name", v.name), f("enabled", v.enabled), f("max_connections", v.max_connections);
    f("max_connections_per_client", v.max_connections_per_client);
    f("requests_per_second", v.requests_per_second);
    f("bandwidth_bytes_per_second", v.bandwidth_bytes_per_second), f("egress_addr", v.egress_addr);
    f("access_log_format", v.access_log_format), f("rules", v.rules), f("users", v.users);
  }
};

template <>
struct Fields<ServerConfig> {
  static void each(auto& v, auto&& f) {
    f("id", v.id), f("tenant_id", v.tenant_id), f("name", v.name), f("type", v.type);
    f("generation", v.generation), f("listen_addr", v.listen_addr), f("listen_port", v.listen_port);
    f("max_connections", v.max_connections);
    f("max_connections_per_client", v.max_connections_per_client);
    f("requests_per_second", v.requests_per_second);
    f("bandwidth_bytes_per_second", v.bandwidth_bytes_per_second);
    f("connection_timeout_ms", v.connection_timeout_ms);
    f("handshake_timeout_ms", v.handshake_timeout_ms), f("header_timeout_ms", v.header_timeout_ms);
    f("keepalive_timeout_ms", v.keepalive_timeout_ms), f("response_timeout_ms", v.response_timeout_ms);
    f("body_timeout_ms", v.body_timeout_ms), f("idle_timeout_ms", v.idle_timeout_ms);
    f("drain_timeout_ms", v.drain_timeout_ms), f("auth", v.auth), f("tls", v.tls);
    f("proxy_protocol_in", v.proxy_protocol_in), f("proxy_protocol_from", v.proxy_protocol_from);
    f("proxy_protocol_out", v.proxy_protocol_out), f("lb", v.lb);
    f("health_type", v.health_type), f("health_interval_ms", v.health_interval_ms);
    f("health_timeout_ms", v.health_timeout_ms), f("health_path", v.health_path);
    f("health_status", v.health_status), f("rise", v.rise), f("fall", v.fall);
    f("slow_start_ms", v.slow_start_ms), f("access_log", v.access_log);
    f("access_log_format", v.access_log_format), f("config", v.config), f("backends", v.backends);
    f("system_ca_pem", v.system_ca_pem), f("routes", v.routes), f("rules", v.rules),
        f("counter_segment", v.counter_segment), f("counter_slot", v.counter_slot);
  }
};

template <>
struct Fields<WorkerConfig> {
  static void each(auto& v, auto&& f) { f("tenants", v.tenants), f("servers", v.servers); }
};

template <>
struct Fields<Hello> {
  static void each(auto& v, auto&& f) {
    f("version", v.version), f("worker_group", v.worker_group), f("instance", v.instance);
    f("threads", v.threads), f("uid", v.uid), f("gid", v.gid), f("sandbox", v.sandbox);
    f("log_filter", v.log_filter), f("max_connections", v.max_connections);
    f("memory_limit_bytes", v.memory_limit_bytes);
  }
};

template <>
struct Fields<Ready> {
  static void each(auto& v, auto&& f) {
    f("pid", v.pid), f("threads", v.threads), f("no_new_privs", v.no_new_privs), f("seccomp", v.seccomp);
    f("landlock_abi", v.landlock_abi), f("uid", v.uid);
  }
};

template <>
struct Fields<ResolverConfig> {
  static void each(auto& v, auto&& f) {
    f("resolv_conf", v.resolv_conf), f("hosts", v.hosts), f("local_addresses", v.local_addresses);
  }
};

template <>
struct Fields<CountersFrame> {
  static void each(auto& v, auto&& f) { f("segment", v.segment); }
};

template <>
struct Fields<AccessLogFrame> {
  static void each(auto& v, auto&& f) { f("tenant_id", v.tenant_id); }
};

template <>
struct Fields<ListenFrame> {
  static void each(auto& v, auto&& f) {
    f("seq", v.seq), f("server_id", v.server_id), f("drain_timeout_ms", v.drain_timeout_ms);
    f("forget", v.forget), f("reason", v.reason);
  }
};

template <>
struct Fields<OwnPortsFrame> {
  static void each(auto& v, auto&& f) { f("ports", v.ports); }
};

template <>
struct Fields<ProbeFrame> {
  static void each(auto& v, auto&& f) {
    f("seq", v.seq), f("server_id", v.server_id), f("source_port", v.source_port);
  }
};

template <>
struct Fields<DrainFrame> {
  static void each(auto& v, auto&& f) { f("drain_timeout_ms", v.drain_timeout_ms); }
};

template <>
struct Fields<Ack> {
  static void each(auto& v, auto&& f) {
    f("seq", v.seq), f("server_id", v.server_id), f("generation", v.generation), f("error", v.error);
  }
};

template <>
struct Fields<Event> {
  static void each(auto& v, auto&& f) {
    f("kind", v.kind), f("server_id", v.server_id), f("detail", v.detail), f("value", v.value);
  }
};

template <>
struct Fields<CheckFrame> {
  static void each(auto& v, auto&& f) { f("seq", v.seq); }
};

template <>
struct Fields<BackendStatus> {
  static void each(auto& v, auto&& f) {
    f("backend_id", v.backend_id), f("server_id", v.server_id), f("checked_at_ms", v.checked_at_ms);
    f("latency_us", v.latency_us), f("ok_in_row", v.ok_in_row), f("failed_in_row", v.failed_in_row);
    f("error", v.error);
  }
};

template <>
struct Fields<WorkerStatus> {
  static void each(auto& v, auto&& f) {
    f("open_fds", v.open_fds), f("active_connections", v.active_connections);
    f("dropped_records", v.dropped_records), f("loop_delay_p99_us", v.loop_delay_p99_us);
    f("backends", v.backends), f("is_part", v.is_part);
  }
};

[[noreturn]] void refuse(std::string_view key, std::string_view what) {
  throw Error{ErrorKind::failed, "frame: '" + std::string{key} + "' must be " + std::string{what}};
}

template <Struct T>
Json write(const T& value);

template <typename T>
Json write(const std::vector<T>& values) {
  Json out = Json::array();
  for (const T& value : values) {
    if constexpr (Struct<T>)
      out.push_back(write(value));
    else
      out.push_back(value);
  }
  return out;
}

template <Struct T>
Json write(const T& value) {
  Json out = Json::object();
  Fields<T>::each(value, [&out](std::string_view key, const auto& field) {
    if constexpr (requires { write(field); })
      out[std::string{key}] = write(field);
    else
      out[std::string{key}] = field;
  });
  return out;
}

void read(const Json& in, std::string_view key, std::string& out) {
  if (!in.is_string()) refuse(key, "a string");
  out = in.get_ref<const std::string&>();
}

void read(const Json& in, std::string_view key, bool& out) {
  if (!in.is_boolean()) refuse(key, "true or false");
  out = in.get<bool>();
}

void read(const Json& in, std::string_view key, std::integral auto& out) {
  using Number = std::remove_reference_t<decltype(out)>;
  if (!in.is_number_integer()) refuse(key, "an integer");
  const bool is_huge = in.is_number_unsigned() && in.get<std::uint64_t>() > std::uint64_t{1} << 62;
  const auto value = is_huge ? std::numeric_limits<std::int64_t>::max() : in.get<std::int64_t>();
  if (is_huge || value < std::int64_t{std::numeric_limits<Number>::min()} ||
      value > std::int64_t{std::numeric_limits<Number>::max()})
    refuse(key, "in range");
  out = static_cast<Number>(value);
}

void read(const Json& in, std::string_view key, OptionMap& out) {
  if (!in.is_object()) refuse(key, "an object");
  out.clear();
  for (const auto& [name, value] : in.items()) read(value, name, out[name]);
}

template <Struct T>
void read(const Json& in, std::string_view key, T& out);

template <typename T>
void read(const Json& in, std::string_view key, std::vector<T>& out) {
  if (!in.is_array()) refuse(key, "an array");
  out.clear();
  out.reserve(in.size());
  for (const Json& value : in) read(value, key, out.emplace_back());
}

template <Struct T>
void read(const Json& in, std::string_view key, T& out) {
  if (!in.is_object()) refuse(key, "an object");
  Fields<T>::each(out, [&in](std::string_view name, auto& field) {
    if (const auto found = in.find(name); found != in.end()) read(*found, name, field);
  });
}

template <Struct T>
std::string text_of(const T& value) {
  return write(value).dump(-1, ' ', false, Json::error_handler_t::replace);
}

template <Struct T>
T value_of(std::string_view text) {
  const Json in = Json::parse(text, nullptr, false);
  if (in.is_discarded()) throw Error{ErrorKind::failed, "frame: the body is not JSON"};
  T out;
  read(in, "body", out);
  return out;
}

}  // namespace

std::string to_json(const WorkerConfig& value) { return text_of(value); }
std::string to_json(const Hello& value) { return text_of(value); }
std::string to_json(const Ready& value) { return text_of(value); }
std::string to_json(const ResolverConfig& value) { return text_of(value); }
std::string to_json(const CountersFrame& value) { return text_of(value); }
std::string to_json(const AccessLogFrame& value) { return text_of(value); }
std::string to_json(const ListenFrame& value) { return text_of(value); }
std::string to_json(const OwnPortsFrame& value) { return text_of(value); }
std::string to_json(const ProbeFrame& value) { return text_of(value); }
std::string to_json(const CheckFrame& value) { return text_of(value); }
std::string to_json(const DrainFrame& value) { return text_of(value); }
std::string to_json(const Ack& value) { return text_of(value); }
std::string to_json(const Event& value) { return text_of(value); }
std::string to_json(const WorkerStatus& value) { return text_of(value); }

template <typename T>
T from_json(std::string_view text) {
  return value_of<T>(text);
}

template WorkerConfig from_json(std::string_view);
template Hello from_json(std::string_view);
template Ready from_json(std::string_view);
template ResolverConfig from_json(std::string_view);
template CountersFrame from_json(std::string_view);
template AccessLogFrame from_json(std::string_view);
template ListenFrame from_json(std::string_view);
template OwnPortsFrame from_json(std::string_view);
template ProbeFrame from_json(std::string_view);
template CheckFrame from_json(std::string_view);
template DrainFrame from_json(std::string_view);
template Ack from_json(std::string_view);
template Event from_json(std::string_view);
template WorkerStatus from_json(std::string_view);

}  // namespace arcus::wire
