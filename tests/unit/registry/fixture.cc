#include "tests/unit/registry/fixture.h"

#include <array>
#include <cstdlib>
#include <stdexcept>

#include "lib/registry/catalog.h"
#include "lib/registry/spec.h"

namespace arcus::registry {

static constexpr std::array<OptionSpec, 2> http_options{{
    {.key = "pool_idle_per_host",
     .kind = OptionSpec::Kind::integer,
     .fallback = "64",
     .min = 0,
     .max = 1024,
     .help = "x"},
    {.key = "via", .kind = OptionSpec::Kind::boolean, .fallback = "true", .help = "x"},
}};
static constexpr ServerType http{.name = "http",
                                 .title = "HTTP Proxy",
                                 .summary = "forward",
                                 .default_port = 8080,
                                 .takes_backends = true,
                                 .forwards = true,
                                 .takes_users = true,
                                 .options = http_options};
static constexpr ServerType tcp{.name = "tcp",
                                .title = "TCP Proxy",
                                .summary = "relay",
                                .default_port = 9000,
                                .needs_backend = true,
                                .takes_backends = true};
static constexpr std::array<OptionSpec, 1> https_options{{
    {.key = "connect_ports", .kind = OptionSpec::Kind::list, .fallback = "443", .help = "x"},
}};
static constexpr ServerType https{.name = "https",
                                  .title = "HTTPS Proxy",
                                  .summary = "forward over TLS",
                                  .default_port = 8443,
                                  .takes_backends = true,
                                  .needs_certificate = true,
                                  .forwards = true,
                                  .takes_users = true,
                                  .options = https_options};
static constexpr ServerType sni{.name = "sni",
                                .title = "SNI Proxy",
                                .summary = "route",
                                .default_port = 4443,
                                .takes_backends = true,
                                .takes_routes = true};
static constexpr ServerType socks{
    .name = "socks", .title = "SOCKS Proxy", .summary = "socks", .default_port = 1080, .forwards = true};
static constexpr ServerType tls{.name = "tls",
                                .title = "TLS Proxy",
                                .summary = "terminate",
                                .default_port = 9443,
                                .needs_backend = true,
                                .takes_backends = true,
                                .needs_certificate = true};
static constexpr std::array<const ServerType*, 6> types{&http, &https, &sni, &socks, &tcp, &tls};
static constexpr std::array<AlgorithmInfo, 2> algorithms{{{"failover", "x"}, {"round_robin", "x"}}};

const Catalog& Registry::catalog() {
  static constexpr Catalog instance{types, algorithms};
  return instance;
}

Registry::Registry() {
  std::string pattern = (std::filesystem::temp_directory_path() / "arcus-registry-XXXXXX").string();
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
  directory_ = pattern;
  db_.emplace(directory_ / "arcus.db", OpenMode::create);
  prepare_registry(*db_, catalog());
}

Registry::~Registry() {
  db_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

Tenant Registry::add_tenant(std::string_view name) {
  return write([&] { return registry::add_tenant(db(), {.name = std::string{name}}); });
}

Server Registry::add_http(std::string_view tenant, std::string_view name, int port) {
  ServerSpec spec{.type = "http", .name = std::string{name}, .tenant = std::string{tenant}};
  spec.assignments.push_back({"listen_port", std::to_string(port)});
  return write([&] { return add_server(db(), catalog(), spec); });
}

std::int64_t Registry::number(std::string_view sql) {
  auto st = db().query(sql);
  return st.step() ? st.integer(0) : -1;
}

std::string Registry::text(std::string_view sql) {
  auto st = db().query(sql);
  return st.step() ? st.column<std::string>(0) : "(no row)";
}

}  // namespace arcus::registry
