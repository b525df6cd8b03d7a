#include "cli/core/rows.h"
#include "cli/server.h"
#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/db/database.h"
#include "lib/registry/backends.h"
#include "lib/registry/routes.h"
#include "lib/registry/spec.h"

namespace arcus::cli::server {

/// `acme/web  4f7c09e1d2aa  http  0.0.0.0:8080  running`.
static void print_added(Context& context, const registry::Server& server, const std::string& status) {
  if (context.quiet()) return context.out().line(server.id);
  if (context.out().json() || context.out().options().format == Format::field)
    return context.out().json_text(full_json(context, server));
  if (context.out().machine()) return print_list(context, {server});
  const registry::ServerState state = registry::server_state(context.db(), server.id);
  const Endpoint listen{IpAddress::parse(server.listen_addr).value_or(IpAddress{}),
                        static_cast<std::uint16_t>(state.bound_port.value_or(server.listen_port))};
  context.out().line(server.reference() + "  " + server.id + "  " + server.type + "  " + listen.to_string() +
                     "  " + context.out().paint(status_colour(status), status));
}

static int finish_add(Context& context, const registry::Server& server) {
  if (context.dry_run()) {
    context.out().line(server.reference() + "  " + server.type + "  would be added");
    return exit_code::ok;
  }
  const bool wanted = server.desired_state == "running";
  std::vector<Outcome> outcomes = await_servers(
      context, {server}, {.action = "starting", .until = wanted ? Until::running : Until::settled});
  Outcome& outcome = outcomes.front();
  print_added(context, server, outcome.status);
  context.out().flush();
  if (outcome.code == exit_code::ok) return exit_code::ok;
  const std::string reference = server.reference();
  throw Error{static_cast<ErrorKind>(outcome.code), reference + " " + outcome.error}
      .about(reference)
      .with_hint(outcome.hint);
}

int run_add(Context& context, const Args& args) {
  registry::ServerSpec spec = read_spec(context, args);
  const registry::Tenant tenant = find_tenant_target(context);
  spec.tenant = tenant.name;
  take_named_certs(context, args, tenant, spec);
  registry::Server server;
  context.change([&](Database& db) { server = registry::add_server(db, context.catalog(), spec); });
  return finish_add(context, server);
}

int run_clone(Context& context, const Args& args) {
  const registry::Server source = find_target(context, args[target::ref]);
  const std::string to =
      args.has(clone_to) ? find_tenant_target(context, args[clone_to]).name : source.tenant;
  registry::ServerSpec spec{.type = source.type, .name = std::string{args[new_name]}, .tenant = to};
  const std::string_view wanted = args[clone_port];
  spec.any_free_port = wanted == "auto";
  if (!spec.any_free_port) {
    if (!parse_port(wanted, true))
      throw Error{ErrorKind::usage, "--port: '" + std::string{wanted} + "' is not 0 to 65535 or auto"};
    spec.assignments.push_back({"listen_port", std::string{wanted}});
  }
  if (source.cert && spec.tenant != source.tenant)
    throw Error{ErrorKind::conflict, "certificate '" + *source.cert + "' is of " + source.tenant +
                                         ": in another tenant that would be another one"}
        .about(source.reference())
        .with_hint("clone within " + source.tenant);
  const registry::Rows row = registry::servers_full(context.db(), {source.id});
  for (const registry::Column& known : registry::server_columns()) {
    if (known.key == "type" || known.key == "listen_port" || known.key == "desired_state") continue;
    if (std::string value = text_at(row, 0, known.key); !value.empty())
      spec.assignments.push_back({std::string{known.key}, std::move(value)});
  }
  for (const registry::Backend& known : registry::list_backends(context.db(), source.id))
    spec.backends.push_back(registry::parse_backend(registry::backend_text(known)));
  for (const registry::Route& known : registry::list_routes(context.db(), source.id))
    spec.routes.push_back({known.pattern, known.target});
  for (const registry::Rule& known : registry::list_rules(context.db(), source.tenant_id)) {
    if (known.server_id != source.id) continue;
    if (known.user && spec.tenant != source.tenant)
      throw Error{ErrorKind::conflict, "rule " + std::to_string(known.number) + " names user '" +
                                           *known.user + "' of " + source.tenant +
                                           ": in another tenant that would be somebody else"}
          .about(source.reference())
          .with_hint("clone within " + source.tenant + ", or take the rule away first");
    spec.rules.push_back(registry::rule_spec(known));
  }
  spec.start = source.desired_state == "running";
  registry::Server server;
  context.change([&](Database& db) {
    server = registry::add_server(db, context.catalog(), spec);
    for (const registry::Backend& known : registry::list_backends(db, source.id))
      if (known.admin_state != "enabled")
        registry::set_backend(db, registry::get_backend(db, server.id, known.address).id,
                              {{"admin_state", known.admin_state}});
  });
  return finish_add(context, server);
}

}  // namespace arcus::cli::server
