#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/core/context.h"
#include "cli/core/rows.h"
#include "cli/core/targets.h"
#include "cli/explain.h"
#include "cli/explain_judge.h"
#include "cli/user.h"
#include "lib/base/error.h"
#include "lib/http/write.h"

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

std::vector<IpAddress> read_addresses(const Args& args) {
  std::vector<IpAddress> known;
  for (const std::string_view text : args[address]) {
    const auto one = IpAddress::parse(text);
    if (!one) throw Error{ErrorKind::usage, "--address: an address, not '" + std::string{text} + "'"};
    known.push_back(one->unmapped());
  }
  return known;
}

/// What the client will see of it, and the next command.
std::string outcome_of(const Judges& judges, const Step& step) {
  if (step.reason == Reason::ok) return "allow";
  std::string out = "deny: " + std::string{name_of(step.reason)};
  const bool is_cut = step.name == "client" && judges.type->needs_certificate;  // before anything was said
  if (judges.type->judge_port != nullptr && judges.server.server.type != "socks" && !is_cut) {
    const bool asks = judges.server.server.auth == "basic" &&
                      (step.reason == Reason::auth_required || step.reason == Reason::auth_failed);
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
  const Judges judges = load_judges(context, server);
  const std::vector<Step> steps = judge(judges, read_question(context, args, judges), read_addresses(args));
  const Step& decides = *std::ranges::find_if(steps, &Step::decides);
  print(context, judges, steps, decides);
  return decides.reason == Reason::ok ? exit_code::ok : exit_code::failed;
}

}  // namespace explain

extern const Noun explain_noun;
constinit const Noun explain_noun{"explain", "who may go where, and which rule decides", Group::look,
                                  commands};

}  // namespace arcus::cli
