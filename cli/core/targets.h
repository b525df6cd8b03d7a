#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/core/args.h"

namespace arcus::cli {

class Context;

/// Shared arguments that name servers; put them into a signature: `{&target::refs, &target::all, ...}`.
namespace target {
inline constexpr Arg<std::vector<std::string_view>> refs{
    "REF",
    "tenant/name, name, id, id prefix, 'glob*', or - for standard input",
    {.complete = Source::server}};
inline constexpr Arg<std::string_view> ref{
    "REF", "tenant/name, name, id or id prefix", {.required = true, .complete = Source::server}};
inline constexpr Arg<bool> all{"--all", "every server (of the tenant, with -t)", {.group = "which servers"}};
inline constexpr Arg<std::string_view> type{
    "--type",
    "only servers of this type",
    {.metavar = "TYPE", .group = "which servers", .complete = Source::server_type}};
inline constexpr Arg<std::string_view> status{"--status",
                                              "only servers with this status",
                                              {.metavar = "STATUS",
                                               .group = "which servers",
                                               .choices = "stopped|starting|running|stopping|error",
                                               .complete = Source::choices}};
inline constexpr Arg<std::vector<std::string_view>> label{
    "--label", "only servers with this label", {.metavar = "KEY=VALUE", .group = "which servers"}};
inline constexpr Arg<std::string_view> where{"--where",
                                             "only servers for which this SQL expression holds",
                                             {.metavar = "SQL", .group = "which servers"}};
/// refs and every selector.
inline constexpr const ArgInfo* many[] = {&refs, &all, &type, &status, &label, &where};
}  // namespace target

/// A server that a reference or selector named.
struct Target {
  std::string id;
  std::string tenant;
  std::string name;
  std::string type;

  [[nodiscard]] std::string text() const { return tenant + "/" + name; }
};

/// What `args` (references and selectors of `target::`) name, in the order of tenant and name, each once.
/// With neither: every server (of -t) when `none_means_all`, else Error{usage}.  A reference that names
/// nothing is Error{not_found} with the nearest name; an ambiguous one Error{usage} with the candidates.
std::vector<Target> find_targets(Context& context, const Args& args, bool none_means_all);

/// The one server `reference` names.
Target find_target(Context& context, std::string_view reference);

/// The tenant called `word` (name, id or id prefix) and its id.  Throws Error{not_found} with the nearest
/// name.
struct TenantTarget {
  std::string id;
  std::string name;
};
TenantTarget find_tenant_target(Context& context, std::string_view word);
/// The tenant of -t, or the only tenant there is; else Error{usage}.
TenantTarget default_tenant(Context& context);

}  // namespace arcus::cli
