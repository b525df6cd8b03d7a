#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/core/command.h"
#include "lib/registry/servers.h"

namespace arcus::cli {

/// The name in NAME or TENANT/NAME, as completion offers both. Throws Error (usage) when it is another
/// tenant's.
std::string bare_user(std::string_view word, std::string_view tenant);

namespace users {

/// The servers where users of the tenant log in: they must have taken a change before the command returns.
std::vector<registry::Server> reached(Database& db, const std::string& tenant_id);

// user_import.cc
extern const ArgInfo* const import_signature[2];
int run_import(Context& context, const Args& args);
inline constexpr Example import_examples[] = {
    {"arcusctl user import --htpasswd users.txt -t acme", "all of them, or none"}};
inline constexpr std::string_view import_details =
    "Takes the hashes of crypt(5) that begin with $2b$, $2y$, $y$, $6$ or $5$, and our own. The older $apr1$ "
    "and "
    "DES forms are refused: they are guessed in seconds. All users come in one transaction, or none.";

}  // namespace users
}  // namespace arcus::cli
