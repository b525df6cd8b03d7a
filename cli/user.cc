#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <set>

#include "cli/core/password.h"
#include "cli/core/rows.h"
#include "cli/server.h"
#include "cli/user.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/base/units.h"
#include "lib/crypto/password.h"
#include "lib/registry/users.h"
#include "lib/registry/view.h"

namespace arcus::cli {
namespace {

using registry::User;

constexpr Column columns[] = {
    {"tenant", "TENANT"},
    {"name", "USER"},
    {"enabled", "ENABLED", Show::table, Unit::flag, 4},
    {"expires_at", "EXPIRES", Show::table, Unit::text, 5},
    {"may_log_in", "MAY_LOG_IN", Show::table, Unit::flag, 3},
    {"requests", "REQUESTS", Show::table, Unit::count},
    {"last_seen", "LAST_SEEN", Show::table, Unit::age},
    {"errors", "ERRORS", Show::wide, Unit::count},
    {"bytes_in", "IN", Show::wide, Unit::bytes},
    {"bytes_out", "OUT", Show::wide, Unit::bytes},
    {"max_connections", "MAX_CONNS", Show::wide, Unit::count},
    {"requests_per_second", "MAX_REQ/S", Show::wide, Unit::count},
    {"bandwidth_bytes_per_second", "MAX_BYTES/S", Show::wide, Unit::bytes},
    {"description", "DESCRIPTION", Show::wide, Unit::prose},
    {"password_changed_at", "PASSWORD", Show::wide, Unit::age},
    {"created_at", "AGE", Show::wide, Unit::age},
    {"id", "ID", Show::wide},
};

constexpr std::string_view details =
    "Users log in at the servers of their tenant that ask for it: server set REF auth=basic, or auth=mtls "
    "where "
    "clients show certificates (the common name is the user). http and https "
    "take "
    "Basic (RFC 7617), socks the user name and password of RFC 1929. Passwords are kept as scrypt hashes and "
    "come "
    "in by a prompt, --password-stdin or --password-file, never on the command line.";

constexpr Arg<std::string_view> ref{
    "USER", "NAME with -t, or TENANT/NAME", {.required = true, .complete = Source::user}};
constexpr Arg<std::vector<std::string_view>> refs{
    "USER", "NAME with -t, or TENANT/NAME", {.required = true, .complete = Source::user}};
constexpr Arg<std::string_view> new_user{"USER", "NAME with -t, or TENANT/NAME", {.required = true}};
constexpr Arg<bool> no_password{"--no-password",
                                "no password fits: a certificate says who it is (--auth mtls)",
                                {.group = password::group}};
constexpr Arg<bool> generate{"--generate", "make one up and print it", {.group = password::group}};
constexpr Arg<bool> disabled{"--disabled", "may not log in yet"};
constexpr Arg<std::string_view> expires{
    "--expires", "until then: 2027-01-31, 2027-01-31T18:00:00Z, or from now on: 30d", {.metavar = "WHEN"}};
constexpr Arg<std::string_view> description{"--description", "free text"};
constexpr Arg<std::int64_t> max_connections{
    "--max-connections", "at once over all servers; 0 = unlimited", {.min = 0}};
constexpr Arg<Rate> rate{"--rate", "requests per second over all servers; 0 = unlimited", {.min = 0}};
constexpr Arg<Size> bandwidth{
    "--bandwidth", "bytes per second, both ways together; 0 = unlimited", {.min = 0}};

User find(Context& context, const TenantPart& who) {
  return registry::get_user(context.db(), who.tenant.id, who.name);
}

/// A time as people type it, in the form of the registry; nothing for "never".
std::optional<std::string> read_expiry(std::string_view text) {
  if (text == "never") return std::nullopt;
  if (const auto span = parse_duration(text); span && span->count() > 0) return to_text(wall_now() + *span);
  std::string whole{text};
  if (whole.size() == 10) whole += "T00:00:00.000Z";
  if (whole.size() == 20 && whole.ends_with('Z')) whole.replace(19, 1, ".000Z");
  if (parse_time(whole)) return whole;
  throw Error{ErrorKind::usage,
              "expires: a time such as 2027-01-31 or 2027-01-31T18:00:00Z (UTC), a span such as "
              "30d, or never, not '" +
                  std::string{text} + "'"};
}

/// One outcome of a verb.
Outcome outcome_of(const Context& context, const TenantPart& who, const std::string& id,
                   std::string_view action, std::string_view status) {
  return {.id = id,
          .tenant = who.tenant.name,
          .name = who.name,
          .action = std::string{action},
          .status = std::string{context.dry_run() ? "unchanged" : status}};
}

/// Makes the change, waits for the servers, and says what became of the user.
int change(Context& context, const TenantPart& who, const User& row, std::string_view action,
           std::string_view status, const std::function<void(Database&)>& body) {
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    context.check_generation(registry::get_user(db, row.tenant_id, row.id).generation, row.name);
    body(db);
    servers = users::reached(db, who.tenant.id);
  });
  const int code = settle_parts(context, servers, action);
  return code != exit_code::ok ? code : report(context, {outcome_of(context, who, row.id, action, status)});
}

/// From the flags; `made` is the one to print, when it was made up.
Secret new_password(const Args& args, const TenantPart& who, std::string& made) {
  if (!args[generate]) return read_password(args, who.reference(), true);
  if (args[password::from_stdin] || args.has(password::from_file))
    throw Error{ErrorKind::usage, "--generate makes the password up: it takes no other"};
  made = generate_password();
  return Secret{made};
}

/// Before any waiting: it is known nowhere else.
void print_made(Context& context, const TenantPart& who, const std::string& id, std::string& made) {
  static constexpr Column made_columns[] = {
      {"id", "ID"}, {"tenant", "TENANT"}, {"name", "USER"}, {"password", "PASSWORD"}};
  if (context.dry_run()) {
    context.note("a password would be made up and printed");
  } else if (context.out().machine() && !context.quiet()) {
    Table table{made_columns};
    table.add(id, who.tenant.name, who.name, made);
    context.out().object(table);
  } else {
    context.out().line(context.quiet() ? made : who.reference() + "  password  " + made);
  }
  wipe(made);
  context.out().flush();
}

/// The row as `show` has it, for programs.
void print_row(Context& context, const User& row) {
  registry::Rows rows = registry::people_view(context.db(), "users");
  const std::size_t id = rows.column("id");
  std::erase_if(rows.rows, [&](const auto& one) { return std::get<std::string>(one[id]) != row.id; });
  if (!rows.rows.empty()) context.out().object(table_of(rows, columns, true));
}

namespace add {
constexpr const ArgInfo* signature[] = {&new_user,
                                        &generate,
                                        &no_password,
                                        &password::from_stdin,
                                        &password::from_file,
                                        &expires,
                                        &max_connections,
                                        &rate,
                                        &bandwidth,
                                        &description,
                                        &disabled};
constexpr Example examples[] = {
    {"arcusctl user add bob -t acme", "asks for the password twice"},
    {"arcusctl user add bob -t acme --generate --expires 30d", "prints one that nobody else knows"},
    {"arcusctl user add acme/bob --password-stdin < secret", "for scripts"},
    {"arcusctl user add acme/bob --no-password", "logs in with a client certificate of that name alone"},
};

int run(Context& context, const Args& args) {
  const TenantPart who = find_tenant_part(context, args[new_user]);
  if (!registry::is_user_name(who.name))
    throw Error{
        ErrorKind::usage,
        "user.name: 1-128 of A-Z a-z 0-9 . _ @ + - starting with a letter or digit, not '" + who.name + "'"};
  User row{.name = who.name,
           .description = std::string{args[description]},
           .enabled = !args[disabled],
           .max_connections = args[max_connections],
           .requests_per_second = args[rate],
           .bandwidth_bytes_per_second = args[bandwidth]};
  if (args.has(expires)) row.expires_at = read_expiry(args[expires]);
  std::string made;
  if (args[no_password] && (args[generate] || args[password::from_stdin] || args.has(password::from_file)))
    throw Error{ErrorKind::usage, "--no-password takes no password"};
  // One that nobody knows: it is made up and forgotten.
  row.password_hash = hash_password(args[no_password] ? Secret{generate_password()}.text()
                                                      : new_password(args, who, made).text());
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    row = registry::add_user(db, who.tenant.id, row);
    servers = users::reached(db, who.tenant.id);
  });
  if (!made.empty())
    print_made(context, who, row.id, made);
  else if (context.out().machine() && !context.quiet())
    print_row(context, row);
  else
    context.out().line(context.quiet() ? row.id : who.reference() + "  " + row.id);
  return settle_parts(context, servers, "user");
}
}  // namespace add

namespace passwd {
constexpr const ArgInfo* signature[] = {&ref, &generate, &password::from_stdin, &password::from_file};
constexpr Example examples[] = {{"arcusctl user passwd bob -t acme", "asks for the new one twice"}};

int run(Context& context, const Args& args) {
  const TenantPart who = find_tenant_part(context, args[ref]);
  const User row = find(context, who);
  std::string made;
  const std::string hash = hash_password(new_password(args, who, made).text());
  const auto body = [&](Database& db) { registry::set_password(db, row.id, hash); };
  if (made.empty()) return change(context, who, row, "passwd", "changed", body);
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    context.check_generation(registry::get_user(db, row.tenant_id, row.id).generation, row.name);
    body(db);
    servers = users::reached(db, who.tenant.id);
  });
  print_made(context, who, row.id, made);
  return settle_parts(context, servers, "passwd");
}
}  // namespace passwd

namespace test {
constexpr const ArgInfo* signature[] = {&ref, &password::from_stdin, &password::from_file};
constexpr Example examples[] = {{"arcusctl user test bob -t acme", "exit 0 when the password fits"}};
constexpr ExitNote exits[] = {{exit_code::failed, "the password is wrong, or the user may not log in"}};

int run(Context& context, const Args& args) {
  const TenantPart who = find_tenant_part(context, args[ref]);
  const User row = find(context, who);
  const Secret given = read_password(args, who.reference(), false);
  const bool fits = verify_password(row.password_hash, given.text());
  const bool may = row.may_log_in(now_text());
  const std::string_view status = !fits ? "auth_failed" : may ? "ok" : "user_disabled";
  Outcome outcome{
      .id = row.id, .tenant = who.tenant.name, .name = who.name, .action = "test", .status = "ok"};
  if (!fits || !may) {
    outcome.code = exit_code::failed;
    outcome.status = status;
    outcome.error = !fits         ? "the password is wrong"
                    : row.enabled ? "the user has expired"
                                  : "the user is disabled";
  }
  return report(context, {outcome});
}
}  // namespace test

int run_list(Context& context, const Args&) {
  registry::Rows rows = registry::people_view(context.db(), "users");
  keep_tenant(context, rows);
  context.out().list(table_of(rows, columns, context.out().machine()));
  return exit_code::ok;
}

constexpr const ArgInfo* one_signature[] = {&ref};

int run_show(Context& context, const Args& args) {
  print_row(context, find(context, find_tenant_part(context, args[ref])));
  return exit_code::ok;
}

namespace set {
constexpr Arg<std::vector<std::string_view>> assignments{
    "KEY=VALUE",
    "enabled, expires_at (a time, 30d or never), max_connections, requests_per_second, "
    "bandwidth_bytes_per_second or "
    "description",
    {.required = true, .complete = Source::user_key}};
constexpr const ArgInfo* signature[] = {&ref, &assignments};
constexpr Example examples[] = {
    {"arcusctl user set bob expires_at=30d -t acme", ""},
    {"arcusctl user set bob max_connections=20 bandwidth_bytes_per_second=1MiB -t acme", "live"}};

struct Limit {
  std::string_view key;
  std::int64_t User::*value;
};
constexpr Limit limits[] = {{"bandwidth_bytes_per_second", &User::bandwidth_bytes_per_second},
                            {"max_connections", &User::max_connections},
                            {"requests_per_second", &User::requests_per_second}};

void assign(User& row, std::string_view word) {
  const registry::Assignment one = registry::parse_assignment(word);
  if (one.key == "enabled" &&
      (one.value == "true" || one.value == "1" || one.value == "false" || one.value == "0"))
    row.enabled = one.value == "true" || one.value == "1";
  else if (one.key == "enabled")
    throw Error{ErrorKind::usage, "enabled: true or false, not '" + *one.value + "'"};
  else if (one.key == "expires_at")
    row.expires_at = read_expiry(*one.value);
  else if (one.key == "description")
    row.description = *one.value;
  else if (const auto limit = std::ranges::find(limits, one.key, &Limit::key); limit != std::end(limits))
    row.*limit->value = registry::number_of(registry::user_columns(), one.key, *one.value);
  else
    registry::find_column(registry::user_columns(), one.key, "user");  // throws
}

int run(Context& context, const Args& args) {
  const TenantPart who = find_tenant_part(context, args[ref]);
  User row = find(context, who);
  for (const std::string_view word : args[assignments]) assign(row, word);
  return change(context, who, row, "set", "changed", [&](Database& db) {
    // What others changed meanwhile stays.
    User now = registry::get_user(db, row.tenant_id, row.id);
    for (const std::string_view word : args[assignments]) assign(now, word);
    registry::set_user(db, now);
  });
}
}  // namespace set

/// Several users of perhaps several tenants, all or none.
template <typename Body>
int change_all(Context& context, const Args& args, std::string_view action, std::string_view status,
               Body body) {
  std::vector<std::pair<TenantPart, User>> all;
  for (const std::string_view word : args[refs]) {
    const TenantPart who = find_tenant_part(context, word);
    all.emplace_back(who, find(context, who));
  }
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    std::set<std::string> tenants;
    for (const auto& [who, row] : all) {
      const User now = registry::get_user(db, row.tenant_id, row.id);
      context.check_generation(now.generation, now.name);
      body(db, now);
      tenants.insert(row.tenant_id);
    }
    for (const std::string& tenant : tenants)
      for (registry::Server& server : users::reached(db, tenant)) servers.push_back(std::move(server));
  });
  if (const int code = settle_parts(context, servers, action); code != exit_code::ok) return code;
  std::vector<Outcome> outcomes;
  for (const auto& [who, row] : all) outcomes.push_back(outcome_of(context, who, row.id, action, status));
  return report(context, outcomes);
}

constexpr const ArgInfo* many_signature[] = {&refs};

int run_enable(Context& context, const Args& args) {
  return change_all(context, args, "enable", "enabled", [](Database& db, User row) {
    row.enabled = true;
    registry::set_user(db, row);
  });
}

int run_disable(Context& context, const Args& args) {
  return change_all(context, args, "disable", "disabled", [](Database& db, User row) {
    row.enabled = false;
    registry::set_user(db, row);
  });
}

int run_remove(Context& context, const Args& args) {
  return change_all(context, args, "remove", "removed",
                    [](Database& db, const User& row) { registry::remove_user(db, row); });
}

constexpr Command commands[] = {
    {"add",
     "add a user; prints its id, or the password it made up",
     add::signature,
     add::run,
     {.mutating = true,
      .waits = true,
      .aliases = "create register",
      .examples = add::examples,
      .details = details}},
    {"list",
     "users, without their passwords",
     {},
     run_list,
     {.lists = true, .aliases = "ls", .columns = columns}},
    {"show", "one user", one_signature, run_show, {.aliases = "get info", .columns = columns}},
    {"set",
     "change a user",
     set::signature,
     set::run,
     {.mutating = true, .waits = true, .examples = set::examples}},
    {"passwd",
     "give a user another password",
     passwd::signature,
     passwd::run,
     {.mutating = true, .waits = true, .examples = passwd::examples}},
    {"enable", "let users log in", many_signature, run_enable, {.mutating = true, .waits = true}},
    {"disable",
     "keep users out; their live connections end within a second",
     many_signature,
     run_disable,
     {.mutating = true, .waits = true}},
    {"test",
     "does a password fit?",
     test::signature,
     test::run,
     {.examples = test::examples, .exits = test::exits}},
    {"import",
     "add the users of an htpasswd file",
     users::import_signature,
     users::run_import,
     {.mutating = true, .waits = true, .examples = users::import_examples, .details = users::import_details}},
    {"remove",
     "remove users; their live connections end within a second",
     many_signature,
     run_remove,
     {.mutating = true, .waits = true, .aliases = "rm delete"}},
};

}  // namespace

namespace users {

std::vector<registry::Server> reached(Database& db, const std::string& tenant_id) {
  auto servers = registry::list_servers(db, tenant_id);
  std::erase_if(servers, [](const registry::Server& server) { return server.auth == "none"; });
  return servers;
}

}  // namespace users

std::string bare_user(std::string_view word, std::string_view tenant) {
  const std::size_t slash = word.find('/');
  if (slash == std::string_view::npos) return std::string{word};
  if (word.substr(0, slash) != tenant)
    throw Error{ErrorKind::usage,
                "user '" + std::string{word} + "' is not of tenant '" + std::string{tenant} + "'"};
  return std::string{word.substr(slash + 1)};
}

extern const Noun user_noun;
constinit const Noun user_noun{"user", "who may log in at the proxies", Group::registry, commands, "users"};

}  // namespace arcus::cli
