#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/core/context.h"
#include "cli/core/rows.h"
#include "cli/core/targets.h"
#include "cli/explain.h"
#include "cli/user.h"
#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/daemon/desired_config.h"
#include "lib/daemon/resolver_facts.h"
#include "lib/http/write.h"
#include "lib/policy/policy.h"
#include "lib/policy/routes.h"
#include "lib/registry/view.h"
#include "lib/runtime/server_config.h"

namespace arcus::cli {
namespace {

constexpr Arg<std::string_view> client{
    "--client", "who asks =127.0.0.1", {.fallback = "127.0.0.1", .metavar = "ADDR"}};
constexpr Arg<std::string_view> user{"--user", "logged in as", {.metavar = "NAME", .complete = Source::user}};
constexpr Arg<std::string_view> to{
    "--to", "where to: a URL, HOST:PORT, or for sni a server name", {.metavar = "URL|HOST:PORT"}};
constexpr Arg<std::string_view> method{
    "--method", "request method; default GET for http://, else CONNECT", {.metavar = "METHOD"}};
constexpr Arg<std::string_view> at{"--at", "as if it were then, in UTC; default now", {.metavar = "HH:MM"}};
constexpr Arg<std::vector<std::string_view>> address{
    "--address", "what the name resolves to, instead of asking; repeat", {.metavar = "ADDR"}};

/// One thing that was looked at.
struct Step {
  std::string name;
  std::string what;
  std::string verdict;
  Reason reason = Reason::ok;
  bool decides = false;
  std::string opener;  ///< the network that a rule would have to open
};

/// What is asked of a server.
struct Question {
  IpAddress client;
  std::string user;
  std::string host;
  std::uint16_t port = 0;
  std::string method;
  int minute = -1;

  policy::Request request() const {
    return {.client = client,
            .user = user,
            .host = host,
            .port = port,
            .method = method,
            .minute_of_day = minute};
  }
};

/// Everything that judges the traffic of one server, from the registry.
struct Judges {
  registry::DesiredServer server;
  wire::TenantConfig tenant;
  const ServerType* type = nullptr;
  Options options{{}, {}};
  std::unique_ptr<policy::Policy> policy;
  std::unique_ptr<UserTable> users;
  policy::Routes routes;
  std::vector<IpAddress> own_addresses;
  std::vector<std::uint16_t> own_ports;
  std::int64_t connections = 0;
  std::vector<HostPort> backends;  ///< of role origin
  bool has_parents = false;
};

bool chooses_destination(const Judges& judges) { return judges.type->forwards && judges.backends.empty(); }

Judges load(Context& context, const registry::Server& target) {
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
  return out;
}

[[noreturn]] void bad_target(std::string_view text) {
  throw Error{ErrorKind::usage, "--to: a URL or HOST:PORT, not '" + std::string{text} + "'"};
}

/// http://host:port/path, https://…, HOST:PORT, or a bare name.
void read_target(std::string_view text, Question& question) {
  std::string_view rest = text;
  std::uint16_t fallback = 0;
  std::string assumed = "CONNECT";
  if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    fallback = 80;
    assumed = "GET";
  } else if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
    fallback = 443;
  } else if (rest.find("://") != std::string_view::npos) {
    bad_target(text);
  }
  if (fallback != 0) rest = rest.substr(0, rest.find_first_of("/?#"));
  if (question.method.empty()) question.method = assumed;
  if (const auto place = HostPort::parse(rest)) {
    question.host = place->host;
    question.port = place->port;
  } else if (const auto bare = HostPort::parse(std::string{rest} + ":1");
             bare && (fallback != 0 || rest == text)) {
    question.host = bare->host;
    question.port = fallback;
  } else {
    bad_target(text);
  }
}

/// HH:MM as a minute of the day.
int read_minute(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : 100; };
  const bool shaped = text.size() == 5 && text[2] == ':';
  const int hour = shaped ? digit(0) * 10 + digit(1) : 100;
  const int minute = shaped ? digit(3) * 10 + digit(4) : 100;
  if (hour > 23 || minute > 59)
    throw Error{ErrorKind::usage, "--at: HH:MM in UTC, not '" + std::string{text} + "'"};
  return hour * 60 + minute;
}

Question read_question(const Context& context, const Args& args, const Judges& judges) {
  Question question;
  const auto from = IpAddress::parse(args[client]);
  if (!from) throw Error{ErrorKind::usage, "--client: an address, not '" + std::string{args[client]} + "'"};
  question.client = *from;
  if (judges.users) question.user = bare_user(args[user], judges.tenant.name);
  question.method = args[method];
  if (args.has(user) && !judges.users)
    context.note("nobody logs in at " + judges.server.server.reference() +
                 " (auth none): rules by user match nobody");
  if (args.has(at)) {
    question.minute = read_minute(args[at]);
  }
  const bool wants_target = judges.type->forwards || judges.type->takes_routes;
  if (args.has(to) && !wants_target)
    throw Error{ErrorKind::usage, "--to: clients of type '" + judges.server.server.type +
                                      "' do not choose where they go; its backends are judged"};
  if (!args.has(to) && chooses_destination(judges))
    throw Error{ErrorKind::usage, "--to is missing: where the client wants to go"}.with_hint(
        "--to http://example.org/ or --to example.org:443");
  if (args.has(to)) read_target(args[to], question);
  if (judges.server.server.type == "socks") question.method.clear();
  if (chooses_destination(judges) && question.port == 0) bad_target(args[to]);
  if (!chooses_destination(judges)) {
    // As the sessions ask: by the name that was asked for, on our own port; tcp and tls know no name.
    question.port =
        wants_target ? static_cast<std::uint16_t>(judges.server.server.listen_port) : std::uint16_t{0};
    if (!judges.type->forwards) question.method.clear();
  }
  return question;
}

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
  step.what = "basic, " + (question.user.empty() ? "nobody logged in" : "user " + question.user) + ": " +
              (step.reason == Reason::ok ? "may log in" : std::string{info(step.reason).summary});
  if (step.reason != Reason::ok) step.verdict = "deny";
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

std::vector<Step> look(const Args& args, const Judges& judges, const Question& question) {
  std::vector<IpAddress> known;
  for (const std::string_view text : args[address]) {
    const auto one = IpAddress::parse(text);
    if (!one) throw Error{ErrorKind::usage, "--address: an address, not '" + std::string{text} + "'"};
    known.push_back(one->unmapped());
  }
  std::vector<Step> steps{look_at_listener(judges), look_at_client(judges, question)};
  if (judges.type->takes_users) steps.push_back(look_at_user(judges, question));
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

/// What the client will see of it, and the next command.
std::string outcome_of(const Judges& judges, const Step& step) {
  if (step.reason == Reason::ok) return "allow";
  std::string out = "deny: " + std::string{name_of(step.reason)};
  const bool is_cut = step.name == "client" && judges.type->needs_certificate;  // before anything was said
  if (judges.type->judge_port != nullptr && judges.server.server.type != "socks" && !is_cut) {
    const bool asks = step.reason == Reason::auth_required || step.reason == Reason::auth_failed;
    out += ", status " +
           std::to_string(asks ? (judges.backends.empty() ? 407 : 401) : http::status_of(step.reason));
  }
  return out;
}

void print(Context& context, const Judges& judges, const std::vector<Step>& steps, const Step& decides) {
  const std::string outcome = outcome_of(judges, decides);
  if (context.out().machine() && !context.quiet()) {
    static constexpr Column columns[] = {
        {"server"}, {"verdict"}, {"reason"}, {"outcome"}, {"steps", "", Show::full, Unit::json}};
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const Step& step : steps)
      all.push_back(
          {{"step", step.name}, {"what", step.what}, {"verdict", step.verdict}, {"decides", step.decides}});
    Table table{columns};
    table.add(judges.server.server.reference(), decides.reason == Reason::ok ? "allow" : "deny",
              std::string{name_of(decides.reason)}, outcome,
              JsonText{all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)});
    context.out().object(table);
    return;
  }
  if (!context.quiet()) {
    std::size_t width = 0;
    for (const Step& step : steps) width = std::max(width, step.what.size());
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const Step& step = steps[i];
      std::string line = std::to_string(i + 1) + "  " + step.name;
      line.resize(std::max<std::size_t>(line.size(), 11), ' ');
      line += "  " + step.what;
      line.resize(std::max(line.size(), 13 + width), ' ');
      context.out().line(line + "  " + step.verdict + (step.decides ? "  <- decides" : ""));
    }
  }
  context.out().line(outcome);
  if (decides.reason == Reason::acl_denied) context.note("hint: arcusctl acl list -t " + judges.tenant.name);
  if (!decides.opener.empty())
    context.note("hint: arcusctl acl add allow --to " + decides.opener + " -t " + judges.tenant.name);
}

constexpr Command commands[] = {
    {"",
     "who may go where, and which rule decides",
     explain::signature,
     explain::run,
     {.examples = explain::examples, .exits = explain::exits, .details = explain::details}},
};

}  // namespace

namespace explain {

const ArgInfo* const signature[7] = {&target::ref, &client, &user, &to, &method, &at, &address};

int run(Context& context, const Args& args) {
  const registry::Server server = find_target(context, args[target::ref]);
  const Judges judges = load(context, server);
  std::vector<Step> steps = look(args, judges, read_question(context, args, judges));
  const Step& decides = *std::ranges::find_if(steps, &Step::decides);
  print(context, judges, steps, decides);
  return decides.reason == Reason::ok ? exit_code::ok : exit_code::failed;
}

}  // namespace explain

extern const Noun explain_noun;
constinit const Noun explain_noun{"explain", "who may go where, and which rule decides", Group::look,
                                  commands};

}  // namespace arcus::cli
