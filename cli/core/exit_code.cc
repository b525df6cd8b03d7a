#include "cli/core/exit_code.h"

#include <cstddef>

namespace arcus::cli::exit_code {

static constexpr Row rows[] = {
    {ok, "ok", "done, also when nothing had to be done"},
    {failed, "failed", "tried and failed: a server ended in error, a check found errors"},
    {usage, "usage", "bad flag, bad value, bad file syntax"},
    {not_found, "not_found", "no such tenant, server, backend, rule, template or key"},
    {conflict, "conflict", "name or port taken, constraint, stale --if-generation"},
    {no_daemon, "no_daemon", "needs a running daemon, or the daemon died while we waited"},
    {partial, "partial", "several targets, some failed"},
    {timeout, "timeout", "--timeout passed"},
    {permission, "permission", "file mode, privileged port, socket refused"},
    {registry, "registry", "not a registry file, missing, newer, corrupt, locked"},
    {differs, "differs", "only with --exit-code and --strict: something differs"},
    {not_confirmed, "not_confirmed", "declined, or needs --yes without a terminal"},
};

std::span<const Row> table() noexcept { return rows; }

std::string_view name(int code) noexcept {
  for (const Row& row : rows)
    if (row.code == code) return row.name;
  return "failed";
}

}  // namespace arcus::cli::exit_code
