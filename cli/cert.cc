#include "cli/cert.h"

#include <algorithm>

#include "cli/core/context.h"
#include "cli/core/place.h"
#include "cli/core/results.h"
#include "cli/core/rows.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/registry/columns.h"
#include "lib/registry/view.h"

namespace arcus::cli {
namespace {

using registry::Cert;

constexpr Column columns[] = {
    {"tenant", "TENANT"},
    {"name", "NAME"},
    {"subject", "SUBJECT", Show::table, Unit::text, 6},
    {"sans", "SAN", Show::table, Unit::json, 5},
    {"expires_at", "EXPIRES", Show::table, Unit::text, 2},
    {"days", "DAYS", Show::table, Unit::count},
    {"key_type", "KEY", Show::table, Unit::text, 4},
    {"used_by", "USED_BY", Show::table, Unit::text, 3},
    {"issuer", "ISSUER", Show::wide},
    {"cert_path", "CERT_PATH", Show::wide},
    {"key_path", "KEY_PATH", Show::wide},
    {"fingerprint_sha256", "SHA256", Show::wide},
    {"description", "DESCRIPTION", Show::wide, Unit::prose},
    {"id", "ID", Show::wide},
};

constexpr std::string_view details =
    "A certificate has a name in its tenant, and servers of type https and tls show it by that name: server "
    "add https web --cert NAME, or server set web cert=NAME,ANOTHER for several, chosen by the name a client "
    "asks for. The files stay where they are; the daemon sees within a second that one was replaced, and "
    "keeps "
    "the last good certificate while the new one cannot be used.";

constexpr Arg<std::string_view> cert_file{"--cert",
                                          "certificate, PEM, with its chain behind it",
                                          {.required = true, .metavar = "PATH", .complete = Source::file}};
constexpr Arg<std::string_view> key_file{
    "--key", "its private key, PEM; default in the same file", {.metavar = "PATH", .complete = Source::file}};
constexpr Arg<std::string_view> chain_file{
    "--chain",
    "the certificates between it and the root, when they have a file of their own",
    {.metavar = "PATH", .complete = Source::file}};
constexpr Arg<std::vector<std::string_view>> refs{
    "CERT", "NAME with -t, or TENANT/NAME; default all", {.complete = Source::cert}};

std::optional<std::string> path_of(std::string_view text) {
  if (text.empty()) return std::nullopt;
  return absolute_path(std::string{text});
}

/// Those that the words name; without words all (of -t).
std::vector<std::pair<TenantPart, Cert>> chosen(Context& context,
                                                const std::vector<std::string_view>& words) {
  std::vector<std::pair<TenantPart, Cert>> all;
  for (const std::string_view word : words) {
    const TenantPart which = find_tenant_part(context, word);
    all.emplace_back(which, certs::find(context, which));
  }
  if (!words.empty()) return all;
  std::vector<registry::Tenant> tenants = registry::list_tenants(context.db());
  if (!context.tenant().empty()) tenants = {find_tenant_target(context)};
  for (const registry::Tenant& tenant : tenants)
    for (Cert& cert : registry::list_certs(context.db(), tenant.id)) {
      const std::string name = cert.name;
      all.emplace_back(TenantPart{tenant, name}, std::move(cert));
    }
  return all;
}

std::string days_text(WallTime end) {
  const auto days = std::chrono::floor<std::chrono::days>(end - wall_now()).count();
  return "valid until " + to_text(end).substr(0, 10) + " (" + std::to_string(days) +
         (days == 1 ? " day)" : " days)");
}

/// The row as `show` has it.
void print_row(Context& context, const std::string& cert_id) {
  registry::Rows rows = registry::people_view(context.db(), "certs");
  const std::size_t id = rows.column("id");
  std::erase_if(rows.rows, [&](const auto& one) { return std::get<std::string>(one[id]) != cert_id; });
  if (!rows.rows.empty()) context.out().object(table_of(rows, columns, true));
}

namespace add {
constexpr const ArgInfo* signature[] = {&certs::new_cert, &cert_file, &key_file, &chain_file,
                                        &certs::description};
constexpr Example examples[] = {
    {"arcusctl cert add main --cert fullchain.pem --key privkey.pem -t acme",
     "as certbot and lego leave them"},
    {"arcusctl server add https web --cert main -t acme --port 8443", "a server that shows it"},
};
constexpr ExitNote exits[] = {
    {exit_code::failed, "the certificate or its key cannot be used; the sentence says why"}};

int run(Context& context, const Args& args) {
  const TenantPart which = find_tenant_part(context, args[certs::new_cert]);
  Cert row{.name = which.name,
           .cert_path = absolute_path(std::string{args[cert_file]}),
           .key_path = path_of(args[key_file]),
           .chain_path = path_of(args[chain_file]),
           .description = std::string{args[certs::description]}};
  certs::require_name(row.name);
  return certs::keep(context, which, row, daemon::load_certificate(daemon::files_of(row), wall_now()).facts);
}
}  // namespace add

int run_list(Context& context, const Args&) {
  registry::Rows rows = registry::people_view(context.db(), "certs");
  keep_tenant(context, rows);
  Table table = table_of(rows, columns, context.out().machine());
  const auto sans = find_column(table, "sans");
  const auto expires = find_column(table, "expires_at");
  for (auto& row : table.rows()) {
    if (sans) {
      std::string text = plain_text(row[*sans]);  // ["a","b"], for people a,b
      std::erase_if(text, [](char c) { return c == '[' || c == ']' || c == '"'; });
      row[*sans].shown = text;
    }
    if (expires) row[*expires].shown = plain_text(row[*expires]).substr(0, 10);
  }
  context.out().list(table);
  return exit_code::ok;
}

namespace show {
constexpr Arg<bool> pem{"--pem", "print the certificate and its chain, without the key"};
constexpr const ArgInfo* signature[] = {&certs::ref, &pem};
constexpr Example examples[] = {{"arcusctl cert show ca --pem -t acme > ca.pem", "for curl --cacert ca.pem"}};

int run(Context& context, const Args& args) {
  const Cert row = certs::find(context, find_tenant_part(context, args[certs::ref]));
  if (!args[pem]) return print_row(context, row.id), exit_code::ok;
  context.out().raw(
      certificates_only(daemon::read_certificate_files(daemon::files_of(row)).cert_pem, row.cert_path));
  return exit_code::ok;
}
}  // namespace show

namespace check {
constexpr Arg<std::int64_t> days{
    "--days", "warn of what ends sooner", {.fallback = "30", .metavar = "N", .min = 0}};
constexpr const ArgInfo* signature[] = {&refs, &days};
constexpr Column found_columns[] = {{"cert", "CERT"},
                                    {"state", "STATE", Show::table, Unit::status},
                                    {"finding", "FINDING", Show::table, Unit::prose}};
constexpr Example examples[] = {
    {"arcusctl cert check --days 14", "exit 1 when one of them ends within two weeks"}};
constexpr ExitNote exits[] = {{exit_code::failed, "one ends within --days, or cannot be used"}};

int run(Context& context, const Args& args) {
  Table table{found_columns};
  bool failed = false;
  for (const auto& [which, row] : chosen(context, args[refs])) {
    const auto say = [&](std::string_view state, const std::string& finding) {
      failed |= state != "ok";
      table.add(which.reference(), std::string{state}, finding);
    };
    try {
      const auto facts = daemon::load_certificate(daemon::files_of(row), wall_now()).facts;
      const std::string text = days_text(facts.not_after) + ", " + facts.key_type;
      if (facts.fingerprint != row.facts.fingerprint_sha256)
        say("warning", "the file has another certificate than was read last (arcusctl cert reload): " + text);
      else
        say(facts.not_after - wall_now() < std::chrono::days{args[days]} ? "warning" : "ok", text);
    } catch (const Error& error) {
      say("error", error.what());
    }
  }
  context.out().list(table);
  return failed ? exit_code::failed : exit_code::ok;
}
}  // namespace check

namespace set {
constexpr Arg<std::vector<std::string_view>> assignments{
    "KEY=VALUE", "cert_path, key_path, chain_path or description", {.required = true}};
constexpr const ArgInfo* signature[] = {&certs::ref, &assignments};
constexpr Example examples[] = {{"arcusctl cert set main cert_path=new.pem key_path=new.key -t acme", ""}};

void assign(Cert& row, std::string_view word) {
  const registry::Assignment one = registry::parse_assignment(word);
  if (one.key == "cert_path" && !one.value->empty())
    row.cert_path = absolute_path(*one.value);
  else if (one.key == "cert_path")
    throw Error{ErrorKind::usage, "cert_path: a path"};
  else if (one.key == "key_path")
    row.key_path = path_of(*one.value);
  else if (one.key == "chain_path")
    row.chain_path = path_of(*one.value);
  else if (one.key == "description")
    row.description = *one.value;
  else
    throw Error{ErrorKind::usage, "unknown key '" + one.key + "' for a certificate"}.about(one.key).suggest(
        nearest_word(one.key, std::vector<std::string>{"cert_path", "chain_path", "description", "key_path"})
            .value_or(""));
}

int run(Context& context, const Args& args) {
  const TenantPart which = find_tenant_part(context, args[certs::ref]);
  const Cert before = certs::find(context, which);
  Cert row = before;
  for (const std::string_view word : args[assignments]) assign(row, word);
  const bool same_files = row.cert_path == before.cert_path && row.key_path == before.key_path &&
                          row.chain_path == before.chain_path;
  if (!same_files)
    return certs::take_over(context, which, row,
                            daemon::load_certificate(daemon::files_of(row), wall_now()).facts, "set");
  context.change([&](Database& db) {
    Cert now = certs::current(context, db, before);
    now.description = row.description;
    registry::set_cert(db, now);
  });
  return certs::report_changed(context, which, row.id, "set");
}
}  // namespace set

constexpr const ArgInfo* reload_signature[] = {&refs};
constexpr ExitNote reload_exits[] = {
    {exit_code::failed, "a file cannot be used; servers go on with what they have"}};

int run_reload(Context& context, const Args& args) {
  std::vector<registry::Server> servers;
  std::vector<Outcome> outcomes;
  struct Fresh {
    const Cert* row;
    registry::CertFacts facts;
  };
  const auto all = chosen(context, args[refs]);
  std::vector<Fresh> fresh;
  for (const auto& [which, row] : all) {
    Outcome outcome{.id = row.id, .tenant = which.tenant.name, .name = which.name, .action = "reload"};
    try {
      const auto loaded = daemon::load_certificate(daemon::files_of(row), wall_now());
      outcome.status = loaded.facts.fingerprint == row.facts.fingerprint_sha256 ? "unchanged" : "renewed";
      fresh.push_back({&row, daemon::cert_facts(loaded.facts)});
    } catch (const Error& error) {
      outcome.code = exit_code::failed;
      outcome.status = "error";
      outcome.error = error.what();
      outcome.hint = error.hint();
    }
    outcomes.push_back(std::move(outcome));
  }
  context.change([&](Database& db) {
    for (const Fresh& one : fresh) {
      certs::current(context, db, *one.row);
      registry::put_cert_facts(db, one.row->id, one.facts);
      registry::touch_servers_showing(db, *one.row);
    }
    for (const Fresh& one : fresh)
      for (registry::Server& server : registry::servers_showing(db, *one.row))
        if (std::ranges::find(servers, server.id, &registry::Server::id) == servers.end())
          servers.push_back(std::move(server));
  });
  const int code = certs::await_shown(context, servers, "reload");
  const int reported = report(context, outcomes);
  return code != exit_code::ok ? code : reported;
}

constexpr Arg<std::vector<std::string_view>> named{
    "CERT", "NAME with -t, or TENANT/NAME", {.required = true, .complete = Source::cert}};
constexpr const ArgInfo* remove_signature[] = {&named};
constexpr ExitNote remove_exits[] = {{exit_code::conflict, "a server shows it"}};

int run_remove(Context& context, const Args& args) {
  const auto all = chosen(context, args[named]);
  context.change([&](Database& db) {
    for (const auto& [which, row] : all) registry::remove_cert(db, certs::current(context, db, row));
  });
  std::vector<Outcome> outcomes;
  for (const auto& [which, row] : all)
    outcomes.push_back({.id = row.id,
                        .tenant = which.tenant.name,
                        .name = which.name,
                        .action = "remove",
                        .status = context.dry_run() ? "unchanged" : "removed"});
  return report(context, outcomes);
}

constexpr const ArgInfo* one_signature[] = {&certs::ref};
constexpr Example generate_examples[] = {
    {"arcusctl cert generate main --san example.test,*.example.test -t acme",
     "signed by itself, for 90 days"},
    {"arcusctl cert generate ca --ca --san 'acme test authority' -t acme", "an authority of your own"},
    {"arcusctl cert generate main --san example.test --issuer ca -t acme", "signed by it"},
};
constexpr Example csr_examples[] = {
    {"arcusctl cert csr main -t acme > main.csr", "for an authority to sign"}};
constexpr Example hook_examples[] = {
    {"arcusctl cert hook main -t acme", "what certbot, acme.sh and lego shall run"}};

constexpr Command commands[] = {
    {"add",
     "name a certificate and its key; prints its id",
     add::signature,
     add::run,
     {.mutating = true,
      .aliases = "create register",
      .examples = add::examples,
      .exits = add::exits,
      .details = details}},
    {"list",
     "certificates, when they end, and who shows them",
     {},
     run_list,
     {.lists = true, .aliases = "ls", .columns = columns}},
    {"show", "one certificate", show::signature, show::run, {.aliases = "get", .examples = show::examples}},
    {"check",
     "read every certificate again and say what ends soon or cannot be used",
     check::signature,
     check::run,
     {.lists = true, .examples = check::examples, .columns = check::found_columns, .exits = check::exits}},
    {"set",
     "change where a certificate lies",
     set::signature,
     set::run,
     {.mutating = true, .waits = true, .examples = set::examples}},
    {"reload",
     "read certificates again; their servers show the new ones at once",
     reload_signature,
     run_reload,
     {.mutating = true, .waits = true, .aliases = "renew", .exits = reload_exits}},
    {"generate",
     "make a key and a certificate, signed by itself or by an authority of the tenant",
     certs::generate_signature,
     certs::run_generate,
     {.mutating = true, .waits = true, .aliases = "make", .examples = generate_examples}},
    {"csr",
     "print a request for an authority to sign",
     certs::csr_signature,
     certs::run_csr,
     {.examples = csr_examples}},
    {"hook",
     "print the lines that renewing programs need",
     one_signature,
     certs::run_hook,
     {.examples = hook_examples}},
    {"remove",
     "forget certificates; their files stay",
     remove_signature,
     run_remove,
     {.mutating = true, .aliases = "rm delete", .exits = remove_exits}},
};

}  // namespace

namespace certs {

registry::Cert find(Context& context, const TenantPart& which) {
  return registry::get_cert(context.db(), which.tenant.id, which.name);
}

void require_name(const std::string& name) {
  if (!is_name(name))
    throw Error{ErrorKind::usage,
                "cert.name: 1-63 of a-z 0-9 . _ - starting with a letter or digit, not '" + name + "'"}
        .about(name);
}

registry::Cert current(Context& context, Database& db, const Cert& row) {
  Cert now = registry::get_cert(db, row.tenant_id, row.id);
  context.check_generation(now.generation, now.name);
  return now;
}

/// One that cannot start for its certificate is what this is for: it has failed too.
int await_shown(Context& context, std::vector<registry::Server> servers, std::string_view action) {
  std::erase_if(servers,
                [](const registry::Server& one) { return one.desired_state != "running" || !one.enabled; });
  if (context.dry_run() || servers.empty() || !context.daemon_runs()) return exit_code::ok;
  std::vector<Outcome> failed;
  for (Outcome& outcome : await_servers(context, servers, {.action = std::string{action}}))
    if (outcome.code != exit_code::ok) failed.push_back(std::move(outcome));
  return failed.empty() ? exit_code::ok : report(context, failed);
}

int report_changed(Context& context, const TenantPart& which, const std::string& id,
                   std::string_view action) {
  return report(context, {{.id = id,
                           .tenant = which.tenant.name,
                           .name = which.name,
                           .action = std::string{action},
                           .status = context.dry_run() ? "unchanged" : "changed"}});
}

int keep(Context& context, const TenantPart& which, Cert row, const CertificateFacts& facts,
         const std::function<void()>& and_then) {
  row.facts = daemon::cert_facts(facts);
  context.change([&](Database& db) {
    row = registry::add_cert(db, which.tenant.id, row);
    if (and_then) and_then();
  });
  if (context.dry_run())
    context.out().line(which.reference() + "  would be added");
  else if (context.out().machine() && !context.quiet())
    print_row(context, row.id);
  else
    context.out().line(context.quiet() ? row.id
                                       : which.reference() + "  " + row.id + "  " + facts.subject + "  " +
                                             days_text(facts.not_after));
  return exit_code::ok;
}

int take_over(Context& context, const TenantPart& which, Cert row, const CertificateFacts& facts,
              std::string_view action, const std::function<void()>& and_then) {
  row.facts = daemon::cert_facts(facts);
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    const Cert now = current(context, db, row);
    if (now.generation != row.generation)
      throw Error{ErrorKind::conflict, "certificate '" + row.name + "' was changed meanwhile"}
          .about(row.name)
          .with_hint("look at it again: arcusctl cert show " + which.reference());
    registry::set_cert(db, row);
    registry::touch_servers_showing(db, row);
    servers = registry::servers_showing(db, row);
    if (and_then) and_then();
  });
  if (const int code = await_shown(context, servers, action); code != exit_code::ok) return code;
  return report_changed(context, which, row.id, action);
}

}  // namespace certs

extern const Noun cert_noun;
constinit const Noun cert_noun{"cert", "certificates by name", Group::registry, commands,
                               "certs certificate"};

}  // namespace arcus::cli
