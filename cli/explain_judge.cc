#include "cli/explain_judge.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/core/context.h"
#include "lib/base/error.h"
#include "lib/base/units.h"
#include "lib/daemon/desired_config.h"
#include "lib/daemon/resolver_facts.h"
#include "lib/registry/view.h"
#include "lib/runtime/server_config.h"

namespace arcus::cli {

bool chooses_destination(const Judges& judges) { return judges.type->forwards && judges.backends.empty(); }

Judges load_judges(Context& context, const registry::Server& target) {
  registry::Desired desired = registry::load_desired(context.db());
  Judges out;
  for (registry::DesiredServer& row : desired.servers) {
    if (row.state.bound_port) out.own_ports.push_back(static_cast<std::uint16_t>(*row.state.bound_port));
    if (row.server.id == target.id) out.server = std::move(row);
  }
  std::vector<registry::Rule> tenant_rules;
  for (const registry::DesiredTenant& row : desired.tenants) {
    if (row.tenant.id != target.tenant_id) continue;
    out.tenant = daemon::tenant_config(row);
    tenant_rules = row.rules;
  }
  for (const std::vector<registry::Rule>* rules : {&out.server.rules, &tenant_rules})
    if (const auto problems = daemon::problems_of(*rules); !problems.empty())
      throw Error{ErrorKind::failed, problems.front()};
  const wire::ServerConfig config = daemon::server_config(out.server);
  out.type = context.catalog().find_type(config.type);
  if (out.type == nullptr) throw Error{ErrorKind::failed, "no server type '" + config.type + "'"};
  out.options = Options(out.type->options, config.config);
  out.policy = std::make_unique<policy::Policy>(rule_texts(config.rules), rule_texts(out.tenant.rules));
  if (config.auth != "none") out.users = std::make_unique<UserTable>(out.tenant.users);
  for (const wire::RouteConfig& route : config.routes) out.routes.add(route.pattern, route.target);
  for (const wire::BackendConfig& backend : config.backends) {
    if (backend.role == "origin")
      out.backends.push_back({backend.host, backend.port});
    else
      out.has_parents = true;
  }
  for (const std::string& text : daemon::read_resolver_facts().local_addresses)
    if (const auto one = IpAddress::parse(text)) out.own_addresses.push_back(*one);
  const registry::Rows rows = registry::servers_full(context.db(), {target.id});
  if (!rows.rows.empty())
    out.connections = std::get<std::int64_t>(rows.rows.front()[rows.column("active_connections")]);
  auto all = context.db().query("SELECT active_connections FROM tenant_full WHERE id = ?", target.tenant_id);
  if (all.step()) out.tenant_connections = all.column<std::int64_t>(0);
  return out;
}

namespace {

/// What a name stands for, 16 addresses at the most.
std::vector<IpAddress> resolve(const std::string& host) {
  if (const auto literal = IpAddress::parse(host)) return {literal->unmapped()};
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  std::vector<IpAddress> out;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return out;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  constexpr std::size_t most = 16;
  for (const addrinfo* one = found; one != nullptr && out.size() < most; one = one->ai_next) {
    sockaddr_storage storage{};
    std::copy_n(static_cast<const char*>(static_cast<const void*>(one->ai_addr)), one->ai_addrlen,
                static_cast<char*>(static_cast<void*>(&storage)));
    const IpAddress found_one = Endpoint::from(storage).address.unmapped();
    if (std::ranges::find(out, found_one) == out.end()) out.push_back(found_one);
  }
  return out;
}

Step step_of(std::string name, std::string what, const policy::Decision& decision) {
  const bool denied = decision.verdict == policy::Verdict::deny;
  const bool open = decision.verdict == policy::Verdict::needs_address;
  return {.name = std::move(name),
          .what = std::move(what) + ": " + policy::explain(decision),
          .verdict = denied ? "deny"
                     : open ? "depends"
                            : "allow",
          .reason = denied ? decision.reason : Reason::ok,
          .opener = denied && decision.range != nullptr && !decision.range->never
                        ? std::string{decision.range->cidr}
                        : ""};
}

Step look_at_listener(const Judges& judges) {
  const registry::Server& row = judges.server.server;
  const std::string place =
      HostPort{row.listen_addr, static_cast<std::uint16_t>(row.listen_port)}.to_string();
  const bool full = row.max_connections > 0 && judges.connections >= row.max_connections;
  std::string what = row.reference() + " " + place + ", " + judges.server.state.status + ", " +
                     std::to_string(judges.connections);
  if (row.max_connections > 0) what += " of " + std::to_string(row.max_connections);
  return {.name = "listener",
          .what = what + " connections",
          .verdict = full ? "deny" : "ok",
          .reason = full ? Reason::limit_server : Reason::ok};
}

Step look_at_client(const Judges& judges, const Question& question) {
  const bool in = judges.policy->admits(question.client, question.minute);
  return {.name = "client",
          .what = question.client.to_string() +
                  (in ? ": may enter" : ": allow rules name clients, none of them this one"),
          .verdict = in ? "allow" : "deny",
          .reason = in ? Reason::ok : Reason::acl_denied};
}

Step look_at_user(const Judges& judges, const Question& question) {
  Step step{.name = "auth", .what = "nobody is asked who they are", .verdict = "ok"};
  if (!judges.users) return step;
  step.reason = question.user.empty() ? Reason::auth_required : judges.users->still_admits(question.user);
  step.what = judges.server.server.auth + ", " +
              (question.user.empty() ? "nobody logged in" : "user " + question.user) + ": " +
              (step.reason == Reason::ok ? "may log in" : std::string{info(step.reason).summary});
  if (step.reason != Reason::ok) step.verdict = "deny";
  return step;
}

/// "500 requests/s, 10 MiB/s"; empty when nothing is bounded.
std::string bounds_text(std::int64_t requests_per_second, std::int64_t bytes_per_second,
                        std::string connections = {}) {
  std::string out = std::move(connections);
  const auto add = [&out](std::string text) { out += (out.empty() ? "" : ", ") + std::move(text); };
  if (requests_per_second > 0) add(count_text(requests_per_second) + " requests/s");
  if (bytes_per_second > 0) add(size_text(bytes_per_second) + "/s");
  return out;
}

/// What bounds this client beyond the server's own connections; nothing when nothing does.
std::optional<Step> look_at_limits(const Judges& judges, const Question& question) {
  const registry::Server& server = judges.server.server;
  const wire::TenantConfig& tenant = judges.tenant;
  const auto at_once = [](std::int64_t most, std::string_view of) {
    return most == 0 ? std::string{} : count_text(most) + " connections" + std::string{of};
  };
  Step step{.name = "limits", .what = "", .verdict = "ok"};
  const auto add = [&step](const std::string& whose, const std::string& bounds) {
    if (!bounds.empty()) step.what += (step.what.empty() ? "" : "; ") + whose + ": " + bounds;
  };
  std::string taken;
  if (tenant.max_connections > 0)
    taken = count_text(judges.tenant_connections) + " of " + at_once(tenant.max_connections, "");
  add("server", bounds_text(server.requests_per_second, server.bandwidth_bytes_per_second,
                            at_once(server.max_connections_per_client, " per client")));
  if (tenant.max_connections_per_client > 0)
    taken += (taken.empty() ? "" : ", ") + at_once(tenant.max_connections_per_client, " per client");
  add("tenant", bounds_text(tenant.requests_per_second, tenant.bandwidth_bytes_per_second, taken));
  for (const wire::UserConfig& user : tenant.users)
    if (judges.users && user.name == question.user)
      add("user " + user.name, bounds_text(user.requests_per_second, user.bandwidth_bytes_per_second,
                                           at_once(user.max_connections, "")));
  if (step.what.empty()) return std::nullopt;
  if (tenant.max_connections > 0 && judges.tenant_connections >= tenant.max_connections) {
    step.verdict = "deny";
    step.reason = Reason::limit_tenant;
  }
  return step;
}

/// Where the operator sends clients. http judges the name alone; the others every address that they dial too.
void look_at_backends(const Judges& judges, const Question& question, const std::vector<HostPort>& targets,
                      std::vector<Step>& steps) {
  if (judges.type->forwards && question.method == "CONNECT") {
    steps.push_back({.name = "method",
                     .what = "a server with backends opens no tunnels",
                     .verdict = "deny",
                     .reason = Reason::unsupported_method});
    return;
  }
  steps.push_back(step_of("to", question.host.empty() ? "the backends" : question.host,
                          judges.policy->decide(question.request(), nullptr)));
  if (judges.type->forwards || steps.back().verdict == "deny") return;
  for (const HostPort& target : targets)
    for (const IpAddress& one : resolve(target.host))
      steps.push_back(step_of("address", Endpoint{one, target.port}.to_string(),
                              judges.policy->decide(question.request(), &one)));
}

void look_at_address(const Judges& judges, const Question& question, const IpAddress& one,
                     std::vector<Step>& steps) {
  const Endpoint endpoint{one, question.port};
  const policy::OwnEndpoints own{judges.own_addresses, judges.own_ports};
  steps.push_back(step_of("address", endpoint.to_string(),
                          judges.policy->decide_address(question.request(), endpoint, own)));
}

/// Where the client sends itself: the port, the name, then every address it stands for. Any open one will do.
void look_at_destination(const Judges& judges, const Question& question, std::span<const IpAddress> known,
                         std::vector<Step>& steps) {
  const std::string name = HostPort{question.host, question.port}.to_string();
  if (judges.type->judge_port != nullptr) {
    const Reason reason = judges.type->judge_port(judges.options, question.method, question.port);
    const bool open = reason == Reason::ok;
    steps.push_back({.name = "port",
                     .what = (question.method.empty() ? "" : question.method + " to ") + "port " +
                             std::to_string(question.port) + (open ? " may be asked for" : " is closed"),
                     .verdict = open ? "ok" : "deny",
                     .reason = reason});
    if (!open) return;
  }
  const bool is_literal = IpAddress::parse(question.host).has_value();
  if (judges.has_parents && !is_literal) {
    steps.push_back(
        step_of("to", name + ", by a parent proxy", judges.policy->decide_name(question.request())));
    return;
  }
  steps.push_back(step_of("to", name, judges.policy->decide(question.request(), nullptr)));
  if (steps.back().verdict == "deny") return;
  const std::vector<IpAddress> addresses =
      known.empty() ? resolve(question.host) : std::vector<IpAddress>(known.begin(), known.end());
  if (addresses.empty())
    steps.push_back({.name = "address",
                     .what = question.host + ": the name has no address here",
                     .verdict = "deny",
                     .reason = Reason::dns_failed});
  for (const IpAddress& one : addresses) look_at_address(judges, question, one, steps);
}

/// By the table of names of a server of type sni.
void look_at_route(const Judges& judges, Question question, std::span<const IpAddress> known,
                   std::vector<Step>& steps) {
  const policy::Route* route = judges.routes.find(question.host);
  const auto add = [&](std::string_view what, Reason reason) {
    const std::string name = question.host.empty() ? "no server name" : question.host;
    steps.push_back({.name = "route",
                     .what = name + ": " + std::string{what},
                     .verdict = reason == Reason::ok ? "ok" : "deny",
                     .reason = reason});
  };
  const bool passes = route != nullptr && route->kind == policy::RouteKind::passthrough;
  // Without routes backends serve every name.
  if (route == nullptr && judges.routes.empty()) {
    add("to the backends", Reason::ok);
    look_at_backends(judges, question, judges.backends, steps);
  } else if (route == nullptr || (passes && question.host.empty())) {
    add("no route", question.host.empty() ? Reason::no_sni : Reason::no_route);
  } else if (route->kind == policy::RouteKind::reject) {
    add("rejected", Reason::acl_denied);
  } else if (passes) {
    question.port = static_cast<std::uint16_t>(judges.options.integer("passthrough_port"));
    add("passed through", Reason::ok);
    look_at_destination(judges, question, known, steps);
  } else {
    add("to where the operator says", Reason::ok);
    const bool fixed = route->kind == policy::RouteKind::endpoint;
    look_at_backends(judges, question,
                     fixed ? std::vector{HostPort{route->host, route->port}} : judges.backends, steps);
  }
}

/// The step that decides: the first refusal; of several addresses the first that is open, else the last.
Step& deciding(std::vector<Step>& steps) {
  const auto is_denied = [](const Step& step) { return step.verdict == "deny"; };
  const auto is_open_address = [](const Step& step) {
    return step.name == "address" && step.verdict == "allow";
  };
  const auto refused = std::ranges::find_if(
      steps, [&](const Step& step) { return is_denied(step) && step.name != "address"; });
  if (refused != steps.end()) return *refused;
  const auto open = std::ranges::find_if(steps, is_open_address);
  return open != steps.end() ? *open : steps.back();
}

}  // namespace

std::vector<Step> judge(const Judges& judges, const Question& question, std::span<const IpAddress> known) {
  std::vector<Step> steps{look_at_listener(judges), look_at_client(judges, question)};
  if (judges.type->takes_users || judges.users) steps.push_back(look_at_user(judges, question));
  if (auto limits = look_at_limits(judges, question)) steps.push_back(*std::move(limits));
  if (std::ranges::none_of(steps, [](const Step& step) { return step.verdict == "deny"; })) {
    if (judges.type->takes_routes)
      look_at_route(judges, question, known, steps);
    else if (chooses_destination(judges))
      look_at_destination(judges, question, known, steps);
    else
      look_at_backends(judges, question, judges.backends, steps);
  }
  deciding(steps).decides = true;
  return steps;
}

}  // namespace arcus::cli
