#include <algorithm>
#include <cerrno>
#include <fstream>

#include "cli/core/targets.h"
#include "cli/server.h"
#include "cli/user.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/crypto/password.h"
#include "lib/registry/users.h"

namespace arcus::cli::users {

using registry::User;

namespace {

constexpr Arg<std::string_view> htpasswd{"--htpasswd",
                                         "lines of NAME:HASH, as htpasswd -B writes them",
                                         {.required = true, .metavar = "FILE", .complete = Source::file}};
constexpr Arg<bool> replace{"--replace", "users that are there get the file's password"};
struct Line {
  std::size_t number;
  User user;
};

std::vector<Line> read_file(const std::string& path) {
  std::ifstream file{path};
  if (!file) throw system_error("'" + path + "'", errno);
  std::vector<Line> out;
  std::vector<std::string> problems;
  std::string text;
  for (std::size_t number = 1; std::getline(file, text); ++number) {
    const std::string_view line =
        trim(std::string_view{text}.ends_with('\r') ? std::string_view{text}.substr(0, text.size() - 1)
                                                    : std::string_view{text});
    if (line.empty() || line.starts_with('#')) continue;
    const std::size_t colon = line.find(':');
    const std::string_view name = line.substr(0, colon);
    const std::string_view hash = colon == std::string_view::npos ? "" : line.substr(colon + 1);
    const std::string place = "line " + std::to_string(number) + ": ";
    // What stands there may be a password: it is not repeated.
    if (colon == std::string_view::npos)
      problems.push_back(place + "not NAME:HASH");
    else if (!registry::is_user_name(name))
      problems.push_back(place + "what stands before the colon is no user name");
    else if (!is_password_hash(hash))
      problems.push_back(place + "the hash of '" + std::string{name} + "' is of no form we take");
    else
      out.push_back({number, {.name = std::string{name}, .password_hash = std::string{hash}}});
  }
  if (!problems.empty())
    throw Error{ErrorKind::usage, "'" + path + "': " + problems.front()}.with_details(
        problems.size() > 1 ? problems : std::vector<std::string>{});
  return out;
}

}  // namespace

const ArgInfo* const import_signature[2] = {&htpasswd, &replace};

int run_import(Context& context, const Args& args) {
  const registry::Tenant tenant = find_tenant_target(context);
  const std::vector<Line> lines = read_file(std::string{args[htpasswd]});
  std::size_t added = 0;
  std::size_t replaced = 0;
  std::vector<registry::Server> servers;
  context.change([&](Database& db) {
    const auto there = registry::list_users(db, tenant.id);
    for (const Line& line : lines) {
      const auto known = std::ranges::find(there, line.user.name, &User::name);
      if (known == there.end()) {
        registry::add_user(db, tenant.id, line.user);
        ++added;
      } else if (args[replace]) {
        registry::set_password(db, known->id, line.user.password_hash);
        ++replaced;
      } else {
        throw Error{ErrorKind::conflict, "line " + std::to_string(line.number) +
                                             ": there is already a user '" + line.user.name + "'"}
            .about(line.user.name)
            .with_hint("--replace gives those that are there the file's passwords");
      }
    }
    servers = reached(db, tenant.id);
  });
  context.out().line(tenant.name + "  " + std::to_string(added) + " added  " + std::to_string(replaced) +
                     " replaced");
  return settle_parts(context, servers, "user");
}

}  // namespace arcus::cli::users
