#include <sys/stat.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "cli/catalog.h"
#include "cli/core/place.h"
#include "cli/core/rows.h"
#include "cli/server.h"
#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/server_type.h"
#include "lib/base/text.h"
#include "lib/db/database.h"
#include "lib/registry/certs.h"
#include "lib/registry/spec.h"
#include "lib/registry/templates.h"

namespace arcus::cli::server {
namespace {

constexpr Arg<std::string_view> name{"NAME", "1-63 of a-z 0-9 . _ -; with --from, default the template's"};
constexpr Arg<std::string_view> from{
    "--from", "start from this template", {.metavar = "TEMPLATE", .complete = Source::template_name}};
constexpr Arg<std::string_view> file{
    "-f,--file", "start from this JSON object", {.metavar = "FILE", .complete = Source::file}};

constexpr Arg<std::string_view> port{"--port",
                                     "port; 0 = the kernel picks, auto = the next free one",
                                     {.metavar = "N|auto", .group = "listen"}};
constexpr Arg<bool> no_start{"--no-start", "only register it", {.group = "start"}};
constexpr Arg<bool> start{"--start", "start it whatever setting auto_start says", {.group = "start"}};

constexpr Arg<std::vector<std::string_view>> backend{
    "--backend",
    "HOST:PORT[,weight=N][,backup][,max=N][,tls][,sni=NAME][,verify=full|ca|none][,ca=PATH]; repeat",
    {.metavar = "HOST:PORT", .group = "upstream"}};
constexpr Arg<std::vector<std::string_view>> parent{"--parent",
                                                    "another proxy to go through: http://, https:// or "
                                                    "socks5://[USER@]HOST:PORT[,password_file=PATH]; repeat",
                                                    {.metavar = "URL", .group = "upstream"}};
constexpr Arg<std::vector<std::string_view>> route{
    "--route",
    "server name (or *.suffix) and where it leads: HOST:PORT, backends, passthrough or reject; repeat",
    {.metavar = "NAME=TARGET", .group = "routes"}};
constexpr Arg<std::string_view> fallback{
    "--fallback",
    "where every other name leads: HOST:PORT, backends, passthrough, reject",
    {.metavar = "TARGET", .group = "routes"}};
constexpr Arg<std::vector<std::string_view>> allow{
    "--allow", "clients that may use it; repeat", {.metavar = "CIDR", .group = "access"}};
constexpr Arg<std::vector<std::string_view>> deny{
    "--deny", "clients that may not; repeat", {.metavar = "CIDR", .group = "access"}};
constexpr Arg<std::vector<std::string_view>> allow_to{
    "--allow-to",
    "destinations it may reach: host, *.domain or network; repeat",
    {.metavar = "PATTERN", .group = "access"}};
constexpr Arg<std::vector<std::string_view>> deny_to{
    "--deny-to", "destinations it may not reach; repeat", {.metavar = "PATTERN", .group = "access"}};
constexpr Arg<std::vector<std::string_view>> set{
    "--set",
    "any column, or an option of the type; JSON when it is JSON; repeat",
    {.metavar = "KEY=VALUE", .group = "custom"}};
constexpr Arg<std::vector<std::string_view>> set_string{
    "--set-string", "the same, always a string", {.metavar = "KEY=VALUE", .group = "custom"}};
constexpr Arg<std::vector<std::string_view>> label{
    "--label", "a label; repeat", {.metavar = "KEY=VALUE", .group = "custom"}};

constexpr const ArgInfo* always[] = {&name,  &from, &file, &port,       &no_start, &start,
                                     &allow, &deny, &set,  &set_string, &label};

/// For which types a flag is of use.
enum class For : std::uint8_t { all, forwarding, tls, balanced, http, users };

/// A flag that is one column of the server.
struct ColumnFlag {
  ArgInfo info;
  std::string_view key;
  For whom = For::all;
};

template <class T>
constexpr ColumnFlag column(std::string_view flag, std::string_view key, std::string_view help, ArgMore more,
                            For whom = For::all) {
  return {Arg<T>{flag, help, more}, key, whom};
}

using Duration = std::chrono::milliseconds;

constexpr ColumnFlag column_flags[] = {
    column<std::string_view>("--listen", "listen", "address and port",
                             {.metavar = "ADDR:PORT", .group = "listen"}),
    column<std::string_view>("--addr", "listen_addr", "address =127.0.0.1",
                             {.metavar = "ADDR", .group = "listen"}),
    column<std::int64_t>("--backlog", "backlog", "connections waiting to be accepted =1024",
                         {.group = "listen", .min = 1, .max = 65'535}),
    column<bool>("--allow-open", "allow_open", "it may be an open proxy", {.group = "listen"},
                 For::forwarding),
    column<std::int64_t>("--max-connections", "max_connections", "at once; 0 = unlimited =1000",
                         {.group = "limits", .min = 0}),
    column<std::int64_t>("--max-connections-per-client", "max_connections_per_client",
                         "at once from one address; 0 = unlimited", {.group = "limits", .min = 0}),
    column<Rate>("--rate", "requests_per_second",
                 "requests per second, of other types connections; 0 = unlimited", {.group = "limits"}),
    column<Size>("--bandwidth", "bandwidth_bytes_per_second",
                 "bytes per second, both ways together; 0 = unlimited", {.group = "limits"}),
    column<Duration>("--connection-timeout", "connection_timeout_ms", "the whole way to the upstream =30s",
                     {.group = "time"}),
    column<Duration>("--idle-timeout", "idle_timeout_ms", "a tunnel without a byte =1h", {.group = "time"}),
    column<Duration>("--drain-timeout", "drain_timeout_ms", "for connections to end on stop =30s",
                     {.group = "time"}),
    column<Duration>("--handshake-timeout", "handshake_timeout_ms",
                     "PROXY header and TLS, then SOCKS or hello =10s", {.group = "time"}),
    column<Duration>("--header-timeout", "header_timeout_ms", "a whole request head =10s", {.group = "time"},
                     For::http),
    column<Duration>("--response-timeout", "response_timeout_ms", "until the response head =5m",
                     {.group = "time"}, For::http),
    column<Duration>("--body-timeout", "body_timeout_ms", "longest pause inside a body =60s",
                     {.group = "time"}, For::http),
    column<Duration>("--keepalive-timeout", "keepalive_timeout_ms", "wait for the next request =60s",
                     {.group = "time"}, For::http),
    column<std::string_view>(
        "--health", "health_type", "check backends: connect, TLS handshake or GET =none",
        {.group = "upstream", .choices = "none|tcp|tls|http", .complete = Source::choices}, For::balanced),
    column<Duration>("--health-interval", "health_interval_ms", "between two checks =30s",
                     {.group = "upstream"}, For::balanced),
    column<std::string_view>("--health-path", "health_path", "what http checks ask for =/",
                             {.metavar = "PATH", .group = "upstream"}, For::balanced),
    column<std::string_view>(
        "--auth", "auth",
        "clients log in as a user of the tenant: basic with a password, mtls with a certificate =none",
        {.group = "access", .choices = "none|basic|mtls", .complete = Source::choices}, For::users),
    column<bool>("--tls", "enable_tls", "serve TLS", {.negatable = true, .group = "TLS"}, For::tls),
    column<std::string_view>("--cert", "tls_cert_path",
                             "certificate by name (several: a,b), or its PEM file; or a folder of them",
                             {.metavar = "NAME|PATH", .group = "TLS", .complete = Source::file}, For::tls),
    column<std::string_view>("--key", "tls_key_path", "private key, PEM",
                             {.metavar = "PATH", .group = "TLS", .complete = Source::file}, For::tls),
    column<std::string_view>("--tls-min", "tls_min_version", "oldest version =1.2",
                             {.group = "TLS", .choices = "1.2|1.3", .complete = Source::choices}, For::tls),
    column<std::string_view>("--tls-max", "tls_max_version", "newest version; default no bound",
                             {.group = "TLS", .choices = "1.2|1.3", .complete = Source::choices}, For::tls),
    column<std::string_view>("--ciphers", "tls_ciphers", "OpenSSL's list for TLS 1.2",
                             {.metavar = "LIST", .group = "TLS"}, For::tls),
    column<std::string_view>("--alpn", "alpn", "application protocols, separated by commas",
                             {.metavar = "LIST", .group = "TLS"}, For::tls),
    column<std::string_view>("--client-auth", "client_auth", "client certificates =none",
                             {.group = "TLS", .choices = "none|request|require", .complete = Source::choices},
                             For::tls),
    column<std::string_view>("--client-ca", "client_ca_path", "who may have signed them, PEM",
                             {.metavar = "PATH", .group = "TLS", .complete = Source::file}, For::tls),
    column<std::string_view>("--proxy-protocol-in", "proxy_protocol_in", "require a PROXY header =off",
                             {.group = "listen", .choices = "off|v1|v2|any", .complete = Source::choices}),
    column<std::string_view>("--proxy-protocol-from", "proxy_protocol_from",
                             "who may send it: networks, separated by commas",
                             {.metavar = "CIDR", .group = "listen"}),
    column<std::string_view>("--proxy-protocol-out", "proxy_protocol_out",
                             "send a PROXY header upstream =off",
                             {.group = "upstream", .choices = "off|v1|v2", .complete = Source::choices}),
    column<std::string_view>("--lb", "lb", "balancing algorithm =round_robin",
                             {.metavar = "NAME", .group = "upstream", .complete = Source::lb}, For::balanced),
    column<bool>("--access-log", "access_log", "write access records", {.negatable = true, .group = "logs"}),
    column<std::string_view>(
        "--access-log-format", "access_log_format", "default the tenant's",
        {.metavar = "FMT", .group = "logs", .choices = "squid|combined|json", .complete = Source::choices}),
    column<std::string_view>("--description", "description", "free text", {.group = "custom"}),
};

bool concerns(const ServerType& type, For whom) {
  switch (whom) {
    case For::all:
      return true;
    case For::forwarding:
      return type.forwards || type.takes_routes;
    case For::tls:
      return type.needs_certificate;
    case For::balanced:
      return type.takes_backends;
    case For::http:
      return type.forwards && type.takes_backends;
    case For::users:
      return type.takes_users || type.needs_certificate;
  }
  return true;
}

/// A type's own option as a flag: `connect_ports` is `--connect-ports`.  Made once, lives as long as the
/// program.
struct OptionFlag {
  std::string flag;
  std::string help;
  std::string choices;
  const OptionSpec* spec;
  ArgInfo info;
};

std::deque<OptionFlag>& option_flags() {
  static std::deque<OptionFlag> flags = [] {
    std::deque<OptionFlag> made;
    for (const ServerType* known : catalog().server_types) {
      for (const OptionSpec& spec : known->options) {
        // One key is one flag, whichever types have it.
        if (std::ranges::any_of(made, [&](const OptionFlag& flag) { return flag.spec->key == spec.key; }))
          continue;
        OptionFlag& flag = made.emplace_back();
        flag.spec = &spec;
        flag.flag = "--" + std::string{spec.key};
        std::ranges::replace(flag.flag, '_', '-');
        flag.help = std::string{spec.help} + (spec.fallback.empty() ? "" : " =" + std::string{spec.fallback});
        for (const std::string_view word : spec.words)
          flag.choices.append(flag.choices.empty() ? "" : "|").append(word);
        flag.info = {
            flag.flag, flag.help, {.group = "its own options", .choices = flag.choices}, ArgType::text};
        if (!flag.choices.empty()) flag.info.more.complete = Source::choices;
        if (spec.kind == OptionSpec::Kind::boolean) {
          flag.info.type = ArgType::flag;
          flag.info.more.negatable = true;
        }
      }
    }
    return made;
  }();
  return flags;
}

bool has_option(const ServerType& type, const OptionSpec& spec) {
  return std::ranges::any_of(type.options, [&](const OptionSpec& own) { return own.key == spec.key; });
}

std::vector<const ArgInfo*> variant_args(std::string_view variant) {
  const ServerType* known = variant.empty() ? nullptr : catalog().find_type(variant);
  std::vector<const ArgInfo*> list(std::begin(always), std::end(always));
  const bool balanced = known == nullptr || known->takes_backends;
  if (balanced) list.push_back(&backend);
  if (known == nullptr || known->forwards) list.insert(list.end(), {&parent, &allow_to, &deny_to});
  if (known == nullptr || known->takes_routes) list.insert(list.end(), {&route, &fallback});
  for (const ColumnFlag& flag : column_flags)
    if (known == nullptr || concerns(*known, flag.whom)) list.push_back(&flag.info);
  for (const OptionFlag& flag : option_flags())
    if (known == nullptr || has_option(*known, *flag.spec)) list.push_back(&flag.info);
  return list;
}

std::vector<std::string_view> variant_names() {
  std::vector<std::string_view> names;
  for (const ServerType* known : catalog().server_types) names.push_back(known->name);
  return names;
}

std::string_view variant_summary(std::string_view variant) {
  const ServerType* known = catalog().find_type(variant);
  return known == nullptr ? std::string_view{} : known->summary;
}

std::string_view variant_name(std::string_view word) {
  const ServerType* known = catalog().find_type(word);
  return known == nullptr ? std::string_view{} : known->name;
}

std::string read_file(std::string_view path) {
  std::ifstream in{std::string{path}, std::ios::binary};
  std::ostringstream text;
  text << in.rdbuf();
  if (!in) throw Error{ErrorKind::usage, "cannot read '" + std::string{path} + "'"}.about(std::string{path});
  return text.str();
}

/// `--port`: a number becomes an assignment, `auto` a wish.
void read_port(const Args& args, registry::ServerSpec& spec) {
  if (!args.has(port)) return;
  const std::string_view word = args[port];
  if (word == "auto") {
    spec.any_free_port = true;
    return;
  }
  if (!parse_port(word, true))
    throw Error{ErrorKind::usage, "--port: '" + std::string{word} + "' is not 0 to 65535 or auto"};
  spec.assignments.push_back({"listen_port", std::string{word}});
}

/// `--set key=value`: a column of the server, else an option of the type.
registry::Assignment custom(std::string_view text, bool as_string) {
  registry::Assignment assignment = registry::parse_assignment(text);
  const bool dotted = assignment.key.starts_with("config.") || assignment.key.starts_with("labels.");
  const bool is_column = std::ranges::any_of(
      registry::server_columns(), [&](const registry::Column& row) { return row.key == assignment.key; });
  if (!dotted && !is_column) assignment.key.insert(0, "config.");
  if (as_string && assignment.key.starts_with("config.")) assignment.value = json_quoted(*assignment.value);
  return assignment;
}

/// `--backend` or `--parent`, each with texts of its own kind.
registry::BackendSpec read_backend(std::string_view text, bool is_parent) {
  registry::BackendSpec spec = local_backend(text);
  if (is_parent != (spec.role != "origin"))
    throw Error{ErrorKind::usage, is_parent
                                      ? "--parent: http://, https:// or socks5:// and HOST:PORT, not '" +
                                            std::string{text} + "'"
                                      : "--backend: '" + std::string{text} + "' is a parent proxy"}
        .with_hint(is_parent ? "--parent http://" + std::string{text} : "--parent " + std::string{text});
  return spec;
}

void read_flags(const Args& args, registry::ServerSpec& spec) {
  read_port(args, spec);
  for (const ColumnFlag& flag : column_flags) {
    if (!args.has(flag.info)) continue;
    std::string value{args.text(flag.info)};
    if (flag.info.more.complete == Source::file) value = absolute_path(value);
    spec.assignments.push_back({std::string{flag.key}, std::move(value)});
  }
  for (const OptionFlag& flag : option_flags())
    if (args.has(flag.info))
      spec.assignments.push_back(
          {"config." + std::string{flag.spec->key}, std::string{args.text(flag.info)}});
  for (const std::string_view text : args[set]) spec.assignments.push_back(custom(text, false));
  for (const std::string_view text : args[set_string]) spec.assignments.push_back(custom(text, true));
  for (const std::string_view text : args[label]) {
    registry::Assignment assignment = registry::parse_assignment(text);
    assignment.key.insert(0, "labels.");
    spec.assignments.push_back(std::move(assignment));
  }
  for (const std::string_view text : args[backend]) spec.backends.push_back(read_backend(text, false));
  for (const std::string_view text : args[parent]) spec.backends.push_back(read_backend(text, true));
  for (const std::string_view text : args[route]) spec.routes.push_back(registry::parse_route(text));
  if (args.has(fallback)) spec.routes.push_back(registry::parse_route("*=" + std::string{args[fallback]}));
  const auto copy = [&](const auto& arg, std::vector<std::string>& into) {
    for (const std::string_view text : args[arg]) into.emplace_back(text);
  };
  copy(allow, spec.allow_clients);
  copy(deny, spec.deny_clients);
  copy(allow_to, spec.allow_to);
  copy(deny_to, spec.deny_to);
  if (args[no_start]) spec.start = false;
  if (args[start]) spec.start = true;
}

/// TYPE NAME; with --from or --file the type may come from there, so that one word alone is the name.
void read_words(const Args& args, registry::ServerSpec& spec) {
  const std::string_view first = args[type];
  const std::string_view second = args[name];
  const bool described = args.has(from) || args.has(file);
  const bool first_is_type = catalog().find_type(first) != nullptr;
  if (described && !first_is_type && second.empty()) {
    spec.name = first;
    return;
  }
  spec.type = first;
  spec.name = second;
  if (first_is_type) return;
  if (spec.type.empty())
    throw Error{ErrorKind::usage, "'server add' needs TYPE and NAME, or --from TEMPLATE"}.with_hint(
        "arcusctl server add http web -t acme --port 8080");
  std::vector<std::string> names;
  for (const ServerType* known : catalog().server_types) names.emplace_back(known->name);
  Error error{ErrorKind::usage, "no server type '" + spec.type + "'"};
  if (auto near = nearest_word(spec.type, names)) throw std::move(error).suggest(*near);
  throw std::move(error).with_hint("one of " + join(names, ", "));
}

}  // namespace

const Variants add_variants{variant_names, variant_summary, variant_args, variant_name};

void take_named_certs(Context& context, const Args& args, const registry::Tenant& tenant,
                      registry::ServerSpec& spec) {
  const auto flag = [](std::string_view key) -> const ArgInfo& {
    return std::ranges::find(column_flags, key, &ColumnFlag::key)->info;
  };
  const ArgInfo& cert = flag("tls_cert_path");
  if (!args.has(cert) || args.has(flag("tls_key_path"))) return;
  const std::string word{args.text(cert)};
  std::error_code ignored;
  std::vector<std::string> known;
  for (const registry::Cert& row : registry::list_certs(context.db(), tenant.id)) known.push_back(row.name);
  for (const std::string& wanted : split(word, ',')) {
    if (std::ranges::find(known, wanted) != known.end()) continue;
    if (word.find('/') != word.npos || std::filesystem::exists(word, ignored)) return;  // it is a path
    throw Error{ErrorKind::not_found,
                "tenant '" + tenant.name + "' has no certificate '" + wanted + "', and there is no such file"}
        .about(wanted)
        .suggest(nearest_word(wanted, known).value_or(""))
        .with_hint("arcusctl cert list");
  }
  std::erase_if(spec.assignments, [](const auto& one) { return one.key == "tls_cert_path"; });
  spec.assignments.push_back({"cert", word});
}

registry::BackendSpec local_backend(std::string_view text) {
  registry::BackendSpec spec = registry::parse_backend(text);
  for (auto* path : {&spec.tls_ca_path, &spec.password_path})
    if (*path) *path = absolute_path(**path);
  return spec;
}

registry::ServerSpec read_spec(Context& context, const Args& args) {
  registry::ServerSpec spec;
  if (args.has(type) || (!args.has(from) && !args.has(file))) read_words(args, spec);
  read_flags(args, spec);
  if (args.has(file)) registry::apply_json(spec, read_file(args[file]));
  if (args.has(from)) registry::apply_template(context.db(), spec, args[from]);
  if (spec.start)  // flags win over a file
    std::erase_if(spec.assignments, [](const auto& one) { return one.key == "desired_state"; });
  if (spec.name.empty())
    throw Error{ErrorKind::usage, "'server add' needs NAME"}.with_hint("arcusctl server add " + spec.type +
                                                                       " NAME");
  return spec;
}

}  // namespace arcus::cli::server
