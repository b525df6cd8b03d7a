#include <filesystem>

#include "cli/cert.h"
#include "cli/core/context.h"
#include "cli/core/place.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include "lib/base/text.h"
#include "lib/tls/issue.h"

namespace arcus::cli::certs {
namespace {

namespace fs = std::filesystem;

constexpr Arg<std::string_view> san{
    "--san",
    "names and addresses it is good for, separated by commas; the first is its subject",
    {.required = true, .metavar = "LIST"}};
constexpr Arg<std::int64_t> days{
    "--days", "how long it is valid", {.fallback = "90", .metavar = "N", .min = 1, .max = 36'500}};
constexpr Arg<bool> ca{"--ca", "an authority, which signs others"};
constexpr Arg<std::string_view> issuer{"--issuer",
                                       "the authority of the tenant that signs it; default itself",
                                       {.metavar = "CERT", .complete = Source::cert}};
constexpr Arg<std::string_view> key_kind{
    "--key-type", "kind of key", {.fallback = "ec", .choices = "ec|rsa", .complete = Source::choices}};
constexpr Arg<std::string_view> folder{"--dir",
                                       "folder for its file; default beside the registry",
                                       {.metavar = "DIR", .complete = Source::directory}};
constexpr Arg<bool> replace{"--replace",
                            "a new key and certificate, into the file of the one that has this name"};

CertificateText text_of(const wire::CertificateConfig& config) {
  return {.name = config.name, .cert_pem = config.cert_pem, .key_pem = config.key_pem};
}

/// DIR/NAME.pem, or <registry>.certs/TENANT/NAME.pem; the folder is made.
std::string file_for(Context& context, const Args& args, const TenantPart& which) {
  const fs::path own = context.db_path() + ".certs";
  const fs::path place =
      args.has(folder) ? fs::path{absolute_path(std::string{args[folder]})} : own / which.tenant.name;
  if (!context.dry_run()) {
    if (!args.has(folder)) make_private_folder(own, context.db_path());
    make_private_folder(place, context.db_path());
  }
  return place / (which.name + ".pem");
}

CertificateText issue(Context& context, const Args& args, const TenantPart& which) {
  CertificateWish wish{.names = args[ca] ? std::vector{std::string{args[san]}} : split(args[san], ','),
                       .lifetime = std::chrono::days{args[days]},
                       .authority = args[ca],
                       .key_type = std::string{args[key_kind]}};
  if (!args.has(issuer)) return issue_certificate(wish, nullptr, wall_now());
  const registry::Cert row = registry::get_cert(context.db(), which.tenant.id, args[issuer]);
  const CertificateText signer = text_of(daemon::load_certificate(daemon::files_of(row), wall_now()).config);
  return issue_certificate(wish, &signer, wall_now());
}

}  // namespace

constinit const ArgInfo* const generate_signature[] = {&new_cert, &san,    &days,    &ca,         &issuer,
                                                       &key_kind, &folder, &replace, &description};
constinit const ArgInfo* const csr_signature[] = {&ref};

int run_generate(Context& context, const Args& args) {
  const TenantPart which = find_tenant_part(context, args[new_cert]);
  require_name(which.name);
  const auto known = registry::find_cert(context.db(), which.tenant.id, which.name);
  if (known && !args[replace])
    throw Error{ErrorKind::conflict, "this tenant already has a certificate '" + which.name + "'"}
        .about(which.name)
        .with_hint("--replace gives it a new key and certificate");
  if (known && (known->key_path || known->chain_path))
    throw Error{ErrorKind::conflict,
                "certificate '" + which.name + "' was not made by arcusctl: its key has a file of its own"}
        .about(which.name)
        .with_hint("arcusctl cert reload " + which.name);
  if (known && args.has(folder))
    throw Error{ErrorKind::usage, "--dir: certificate '" + which.name + "' has its place already"};
  const std::string path = known ? known->cert_path : file_for(context, args, which);
  if (!known && !args[replace] && fs::exists(path))
    throw Error{ErrorKind::conflict, "there is a file '" + path + "' already"}.about(path).with_hint(
        "arcusctl cert add " + which.name + " --cert " + path + ", or --replace");
  const CertificateText made = issue(context, args, which);
  registry::Cert row = known.value_or(registry::Cert{.name = which.name, .cert_path = path});
  if (args.has(description)) row.description = args[description];
  const CertificateFacts facts = check_certificate({path, made.cert_pem, made.key_pem}, wall_now());
  // The file last, when all else is allowed: an old key is gone with it.
  const auto put_file = [&] {
    if (!context.dry_run())
      write_private_file(path, made.cert_pem + made.key_pem, args[replace], context.db_path());
  };
  return known ? take_over(context, which, row, facts, "generate", put_file)
               : keep(context, which, row, facts, put_file);
}

int run_csr(Context& context, const Args& args) {
  const registry::Cert row = find(context, find_tenant_part(context, args[ref]));
  context.out().raw(make_signing_request(text_of(daemon::read_certificate_files(daemon::files_of(row)))));
  return exit_code::ok;
}

int run_hook(Context& context, const Args& args) {
  const TenantPart which = find_tenant_part(context, args[ref]);
  const registry::Cert row = find(context, which);
  const std::string reload =
      "arcusctl --db " + shell_quoted(context.db_path()) + " cert reload " + which.reference();
  const std::string name = shell_quoted(row.facts.sans.empty() ? "NAME" : row.facts.sans.front());
  std::string chain = row.cert_path;
  std::string key = row.key_path.value_or("");
  std::string then = reload;
  if (key.empty()) {  // one file has both: it is joined, and put in place at once
    chain = row.cert_path + ".chain";
    key = row.cert_path + ".key";
    const std::string fresh = shell_quoted(row.cert_path + ".new");
    then = "umask 077 && cat " + shell_quoted(chain) + " " + shell_quoted(key) + " > " + fresh + " && mv " +
           fresh + " " + shell_quoted(row.cert_path) + " && " + reload;
  }
  context.out().line("certbot renew --deploy-hook " + shell_quoted(reload));
  context.out().line("acme.sh --install-cert -d " + name + " --fullchain-file " + shell_quoted(chain) +
                     " --key-file " + shell_quoted(key) + " --reloadcmd " + shell_quoted(then));
  context.out().line("lego --domains " + name + " renew --renew-hook " + shell_quoted(reload));
  return exit_code::ok;
}

}  // namespace arcus::cli::certs
