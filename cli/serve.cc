#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "cli/catalog.h"
#include "cli/core/password.h"
#include "cli/launch.h"
#include "cli/server.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/crypto/password.h"
#include "lib/db/database.h"
#include "lib/registry/catalog.h"
#include "lib/registry/mutation.h"
#include "lib/registry/spec.h"
#include "lib/registry/tenants.h"
#include "lib/registry/users.h"

namespace arcus::cli {
namespace {

constexpr std::string_view tenant_name = "serve";

constexpr Arg<std::string_view> user{
    "--user", "who may use it; the password is asked for", {.metavar = "NAME", .group = "access"}};

/// A directory only we can enter; gone with its content at the end.
class PrivateFolder {
 public:
  PrivateFolder() {
    std::string name = std::filesystem::temp_directory_path() / "arcus-serve-XXXXXX";
    if (!::mkdtemp(name.data())) throw system_error("cannot make a temporary directory", errno);
    path_ = name;
  }
  ~PrivateFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// What was typed, with the server's name filled in when there is none.
Args with_name(const Args& args, const ServerType& type) {
  std::vector<Args::Entry> entries{args.entries().begin(), args.entries().end()};
  for (const ArgInfo* info : server::add_variants.args(type.name))
    if (info->name == "NAME" && !args.has(*info)) entries.push_back({info, {std::string{type.name}}});
  return Args{std::move(entries)};
}

/// The one user of the server, when it shall have one.
std::optional<registry::User> read_user(const Args& args) {
  if (!args.has(user)) return std::nullopt;
  registry::User row{.name = std::string{args[user]}};
  row.password_hash = hash_password(read_password(args, row.name, false).text());
  return row;
}

registry::Server register_server(Context& context, const Args& args, const ServerType& type) {
  registry::ServerSpec spec = server::read_spec(context, with_name(args, type));
  const auto one = read_user(args);
  if (one) spec.assignments.push_back({"auth", "basic"});
  spec.tenant = tenant_name;
  spec.start = true;
  const bool names_port = std::ranges::any_of(spec.assignments, [](const auto& given) {
    return given.key == "listen_port" || given.key == "listen";
  });
  if (!names_port && !spec.any_free_port)
    spec.assignments.push_back({"listen_port", std::to_string(type.default_port)});
  registry::Server server;
  context.change([&](Database& db) {
    const registry::Tenant tenant = registry::add_tenant(db, {.name = std::string{tenant_name}});
    if (one) registry::add_user(db, tenant.id, *one);
    server = registry::add_server(db, context.catalog(), spec);
  });
  return server;
}

Error unknown_type(const Catalog& catalog, std::string_view word) {
  std::vector<std::string> names;
  for (const ServerType* type : catalog.server_types) names.emplace_back(type->name);
  Error error{ErrorKind::usage, "no server type '" + std::string{word} + "', one of " + join(names, " ")};
  if (const auto near = nearest_word(word, names)) return std::move(error).suggest(*near);
  return error;
}

int run(Context& context, const Args& args) {
  close_inherited();
  const ServerType* type = context.catalog().find_type(args[server::type]);
  if (!type) throw unknown_type(context.catalog(), args[server::type]);
  const PrivateFolder folder;
  Settings settings = context.settings();
  settings.db = folder.path() / "arcus.db";
  settings.db_named = true;
  {
    Database db{settings.db, OpenMode::create};
    registry::prepare_registry(db, context.catalog());
  }
  const Command writing{"", "", {}, nullptr, {.mutating = true}};
  Context inside{context.noun(), writing, settings};
  register_server(inside, args, *type);

  daemon::RunOptions options = default_run_options(inside);
  if (settings.log_level.empty() && settings.verbose == 0) options.log_filter = "warn";
  options.access_log_to_stdout = true;
  options.health_check = false;
  std::string failure;
  options.on_ready = [&](const daemon::Ready& ready) {
    const auto& server = ready.servers.front();
    if (server.status != "running") {
      failure = server.error;
      return false;
    }
    context.note(server.type + " proxy ready on " + server.address + " (Ctrl-C to stop)");
    return true;
  };
  options.on_notice = [&context](std::string_view text) { context.note(text); };
  auto lock = daemon::take_run_lock(options.paths.db);
  const int code = daemon::run(std::get<LockFile>(std::move(lock)), context.catalog(), std::move(options));
  if (!failure.empty()) throw Error{ErrorKind::failed, failure};
  return code;
}

/// The flags of `server add`, and the user.
std::vector<const ArgInfo*> variant_args(std::string_view variant) {
  std::vector<const ArgInfo*> list = server::add_variants.args(variant);
  const ServerType* type = variant.empty() ? nullptr : catalog().find_type(variant);
  if (type == nullptr || type->takes_users)
    list.insert(list.end(), {&user, &password::from_stdin, &password::from_file});
  return list;
}

constexpr Variants variants{[] { return server::add_variants.names(); },
                            [](std::string_view word) { return server::add_variants.summary(word); },
                            variant_args,
                            [](std::string_view word) { return server::add_variants.canonical(word); }};

constexpr const ArgInfo* signature[] = {&server::type};
constexpr Example examples[] = {
    {"arcusctl serve http --port 8080", "an HTTP proxy on 127.0.0.1:8080, its access log on stdout"},
    {"arcusctl serve socks --user bob", "asks for bob's password"},
    {"arcusctl serve tcp --port 9000 --backend 127.0.0.1:5432", "a TCP forwarder"},
};

constexpr Command commands[] = {
    {"",
     "one proxy at once, without a registry",
     signature,
     run,
     {.needs_db = false, .examples = examples, .variants = &variants}},
};

}  // namespace

extern const Noun serve_noun;
constinit const Noun serve_noun{"serve", "one proxy at once, without a registry", Group::start, commands};

}  // namespace arcus::cli
