#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/core/args.h"
#include "lib/registry/servers.h"
#include "lib/registry/tenants.h"

namespace arcus::cli {

class Context;

/// Shared arguments that name servers; put them into a signature: `{&target::refs, &target::all, ...}`.
namespace target {
inline constexpr std::string_view group = "which servers";
inline constexpr Arg<std::vector<std::string_view>> refs{
    "REF",
    "tenant/name, name, id, id prefix, 'glob*', or - for standard input",
    {.complete = Source::server}};
inline constexpr Arg<std::string_view> ref{
    "REF", "tenant/name, name, id or id prefix", {.required = true, .complete = Source::server}};
inline constexpr Arg<bool> all{"--all", "every server (of the tenant, with -t)", {.group = group}};
inline constexpr Arg<std::string_view> type{
    "--type",
    "only servers of this type",
    {.metavar = "TYPE", .group = group, .complete = Source::server_type}};
inline constexpr Arg<std::string_view> status{"--status",
                                              "only servers with this status",
                                              {.metavar = "STATUS",
                                               .group = group,
                                               .choices = "stopped|starting|running|stopping|error",
                                               .complete = Source::choices}};
inline constexpr Arg<std::vector<std::string_view>> label{
    "--label", "only servers with this label", {.metavar = "KEY=VALUE", .group = group}};
inline constexpr Arg<std::string_view> where{
    "--where", "only servers for which this SQL expression holds", {.metavar = "SQL", .group = group}};
/// refs and every selector.
inline constexpr const ArgInfo* many[] = {&refs, &all, &type, &status, &label, &where};
}  // namespace target

/// What `args` (references and selectors of `target::`) name, each once.  With neither: every server (of -t)
/// when `none_means_all`, else Error{usage}.  A reference that names nothing is Error{not_found} with the
/// nearest name, an ambiguous one Error{usage} with the candidates, selectors that match nothing an empty
/// list.
std::vector<registry::Server> find_targets(Context& context, const Args& args, bool none_means_all);

/// The one server `reference` names.
registry::Server find_target(Context& context, std::string_view reference);

/// The tenant called `word` when it is not empty; else that of -t; else the only tenant there is.  Throws
/// Error.
registry::Tenant find_tenant_target(Context& context, std::string_view word = {});

/// What belongs to a tenant and has a name there: a user, a certificate.
struct TenantPart {
  registry::Tenant tenant;
  std::string name;

  std::string reference() const { return tenant.name + "/" + name; }
};

/// NAME (of the tenant that find_tenant_target() finds) or TENANT/NAME. The part itself is not looked up.
TenantPart find_tenant_part(Context& context, std::string_view word);

}  // namespace arcus::cli
