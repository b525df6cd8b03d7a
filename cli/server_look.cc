#include <nlohmann/json.hpp>

#include <algorithm>

#include "cli/core/rows.h"
#include "cli/look.h"
#include "cli/server.h"
#include "lib/db/database.h"
#include "lib/registry/backends.h"
#include "lib/registry/history.h"
#include "lib/registry/routes.h"
#include "lib/registry/stats.h"
#include "lib/registry/view.h"

namespace arcus::cli::server {

using Json = nlohmann::ordered_json;

std::span<const Column> columns() noexcept { return server_columns; }

/// Port 0 reads as the port the kernel chose; connections read with their limit.
static void polish(Table& table) {
  show_share(table, "active_connections", "max_connections");
  const auto listen = find_column(table, "listen");
  const auto port = find_column(table, "listen_port");
  const auto bound = find_column(table, "bound_port");
  const auto health = find_column(table, "health");
  if (!listen || !port || !bound || !health) return;
  for (auto& row : table.rows()) {
    const std::string text = plain_text(row[*listen]);
    if (plain_text(row[*port]) == "0" && !row[*bound].empty())
      row[*listen].shown = text.substr(0, text.rfind(':') + 1) + plain_text(row[*bound]);
    if (plain_text(row[*health]) == "unknown") row[*health].shown = "-";
  }
}

static void print_rows(Context& context, const registry::Rows& rows) {
  Table table = table_of(rows, server_columns, context.out().machine());
  polish(table);
  context.out().list(table);
}

void print_list(Context& context, const std::vector<registry::Server>& servers) {
  std::vector<std::string> ids;
  for (const registry::Server& server : servers) ids.push_back(server.id);
  if (!ids.empty()) return print_rows(context, registry::servers_full(context.db(), ids));
  registry::Rows none = registry::servers_full(context.db(), {std::string{}});
  print_rows(context, none);
}

int run_list(Context& context, const Args& args) {
  const bool narrowed =
      std::ranges::any_of(target::many, [&](const ArgInfo* info) { return args.has(*info); });
  if (!narrowed && context.tenant().empty()) {
    print_rows(context, registry::servers_full(context.db()));
    return exit_code::ok;
  }
  print_list(context, find_targets(context, args, true));
  return exit_code::ok;
}

static Json json_of(const Cell& cell) {
  struct ToJson {
    Json operator()(std::monostate) const { return nullptr; }
    Json operator()(bool flag) const { return flag; }
    Json operator()(std::int64_t number) const { return number; }
    Json operator()(double number) const { return number; }
    Json operator()(const std::string& text) const { return text; }
    Json operator()(const JsonText& json) const { return Json::parse(json.text, nullptr, false); }
  };
  return std::visit(ToJson{}, cell.value);
}

static Json json_or_null(const std::optional<std::string>& text) {
  return text ? Json(*text) : Json(nullptr);
}

static Json routes_json(Context& context, const registry::Server& server) {
  Json routes = Json::object();
  for (const registry::Route& row : registry::list_routes(context.db(), server.id))
    routes[row.pattern] = row.target;
  return routes;
}

static Json backends_json(Context& context, const registry::Server& server) {
  Json list = Json::array();
  for (const registry::Backend& row : registry::list_backends(context.db(), server.id))
    list.push_back({{"id", row.id},
                    {"address", row.address},
                    {"weight", row.weight},
                    {"backup", row.backup},
                    {"max_connections", row.max_connections},
                    {"admin_state", row.admin_state},
                    {"role", row.role},
                    {"tls", row.tls},
                    {"tls_verify", row.tls_verify},
                    {"tls_server_name", json_or_null(row.tls_server_name)},
                    {"tls_ca_path", json_or_null(row.tls_ca_path)},
                    {"user_name", json_or_null(row.user_name)},
                    {"password_path", json_or_null(row.password_path)},
                    {"state", row.state}});
  return list;
}

static Json stats_json(Context& context, const registry::Server& server) {
  const std::vector<Cell> row = look::server_stats_row(context, server);
  Json stats = Json::object();
  for (std::size_t i = 3; i < row.size(); ++i)
    stats[std::string{server_stats_columns[i].key}] = json_of(row[i]);
  return stats;
}

std::string full_json(Context& context, const registry::Server& server) {
  const Table table = table_of(registry::servers_full(context.db(), {server.id}), server_columns, true);
  Json object = Json::object();
  Json health = Json::object();
  const Json stats = stats_json(context, server);
  for (std::size_t i = 0; i < table.columns().size(); ++i) {
    const std::string key{table.columns()[i].key};
    Json value = json_of(table.rows()[0][i]);
    if (stats.contains(key)) continue;
    if (key == "health")
      health["status"] = std::move(value);
    else if (key == "consecutive_failures")
      health[key] = std::move(value);
    else if (key.starts_with("health_"))
      health[key.substr(7)] = std::move(value);
    else
      object[key] = std::move(value);
  }
  object["backends"] = backends_json(context, server);
  object["routes"] = routes_json(context, server);
  object["health"] = std::move(health);
  object["stats"] = stats;
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// `heading` and the columns of the row under it that have a value.
static void print_section(Context& context, const Table& table, std::string_view heading,
                          std::initializer_list<std::string_view> names) {
  std::string text;
  for (const std::string_view key : names) {
    const auto at = find_column(table, key);
    if (!at || table.rows()[0][*at].empty()) continue;
    const Column& column = table.columns()[*at];
    const bool is_ms = key.ends_with("_ms") && !key.starts_with("avg") && !key.starts_with("p");
    const bool is_bytes = key.starts_with("bytes_") || key == "total_bytes_transferred";
    const Unit unit = is_ms                  ? Unit::ms
                      : is_bytes             ? Unit::bytes
                      : key.ends_with("_at") ? Unit::time
                                             : column.unit;
    const std::string value = screen_text(table.rows()[0][*at], unit == Unit::text ? Unit::prose : unit,
                                          context.out().options().time);
    text.append("  ").append(key).append(key.size() < 28 ? 28 - key.size() : 1, ' ');
    text += (unit == Unit::status ? context.out().paint(status_colour(value), value) : value) + "\n";
  }
  if (text.empty()) return;
  context.out().line(context.out().paint("bold", heading));
  context.out().raw(text);
}

static void print_backends(Context& context, const registry::Server& server) {
  const std::vector<registry::Backend> backends = registry::list_backends(context.db(), server.id);
  if (backends.empty()) return;
  context.out().line(context.out().paint("bold", "backends"));
  for (const registry::Backend& row : backends)
    context.out().line("  " + registry::backend_text(row) + "  weight " + std::to_string(row.weight) +
                       (row.backup ? "  backup  " : "  ") + row.admin_state + "  " +
                       context.out().paint(status_colour(row.state), row.state));
}

static void print_routes(Context& context, const registry::Server& server) {
  const std::vector<registry::Route> routes = registry::list_routes(context.db(), server.id);
  if (routes.empty()) return;
  context.out().line(context.out().paint("bold", "routes"));
  for (const registry::Route& row : routes) context.out().line("  " + row.pattern + "  ->  " + row.target);
}

static void print_audit(Context& context, const registry::Server& server) {
  const registry::Rows rows =
      registry::list_changes(context.db(), {.object = server.reference(), .limit = 5});
  if (rows.rows.empty()) return;
  context.out().line(context.out().paint("bold", "last changes"));
  for (std::size_t i = 0; i < rows.rows.size(); ++i)
    context.out().line(
        "  " + screen_text(cell_of(value_at(rows, i, "at")), Unit::time, context.out().options().time) +
        "  " + text_at(rows, i, "actor") + "  " + text_at(rows, i, "via") + "  " +
        text_at(rows, i, "action") + "  " + text_at(rows, i, "change"));
}

int run_show(Context& context, const Args& args) {
  const registry::Server server = find_target(context, args[target::ref]);
  const Output& out = context.out();
  if (out.json() || out.options().format == Format::field) {
    context.out().json_text(full_json(context, server));
    return exit_code::ok;
  }
  const registry::Rows rows = registry::servers_full(context.db(), {server.id});
  Table table = table_of(rows, server_columns, true);
  polish(table);
  if (out.machine() || !out.options().columns.empty()) {
    context.out().object(table);
    return exit_code::ok;
  }
  print_section(context, table, server.reference(),
                {"id", "type", "template", "description", "labels", "status", "status_reason", "status_since",
                 "last_error", "desired_state", "enabled", "health", "health_detail", "health_checked_at",
                 "health_latency_ms"});
  print_section(context, table, "listen",
                {"listen", "bound_addr", "bound_port", "backlog", "allow_open", "proxy_protocol_in",
                 "proxy_protocol_from"});
  print_section(
      context, table, "limits",
      {"max_connections", "max_connections_per_client", "requests_per_second", "bandwidth_bytes_per_second",
       "connection_timeout_ms", "handshake_timeout_ms", "header_timeout_ms", "keepalive_timeout_ms",
       "response_timeout_ms", "body_timeout_ms", "idle_timeout_ms", "drain_timeout_ms"});
  print_section(context, table, "backends",
                {"lb", "health_type", "health_interval_ms", "health_timeout_ms", "health_path",
                 "health_status", "rise", "fall", "slow_start_ms"});
  print_section(context, table, "TLS and options",
                {"enable_tls", "tls_cert_path", "tls_key_path", "cert", "tls_min_version", "tls_max_version",
                 "tls_ciphers", "alpn", "auth", "client_auth", "client_ca_path", "proxy_protocol_out",
                 "access_log", "access_log_format", "config"});
  print_backends(context, server);
  print_routes(context, server);
  print_section(
      context, table, "statistics",
      {"total_connections", "active_connections", "peak_connections", "refused_connections", "total_requests",
       "total_bytes_transferred", "bytes_in", "bytes_out", "error_count", "avg_response_time_ms"});
  print_section(context, table, "registry",
                {"generation", "observed_generation", "created_at", "updated_at"});
  print_audit(context, server);
  return exit_code::ok;
}

}  // namespace arcus::cli::server
