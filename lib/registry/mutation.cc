#include "lib/registry/mutation.h"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

namespace arcus::registry {

std::string login_name() {
  if (const char* sudo = std::getenv("SUDO_USER"); sudo && *sudo && ::geteuid() == 0) return sudo;
  const uid_t uid = ::getuid();
  if (const passwd* entry = ::getpwuid(uid); entry && entry->pw_name) return entry->pw_name;
  return "uid" + std::to_string(uid);
}

Mutation::Mutation(Database& db, const Actor& actor) : db_(db), transaction_(db) {
  const auto reason = actor.reason.empty() ? std::nullopt : std::optional{actor.reason};
  db_.exec("INSERT OR REPLACE INTO audit_context (id, actor, via, reason) VALUES (1, ?, ?, ?)", actor.name,
           actor.via, reason);
}

void Mutation::commit() {
  db_.exec("DELETE FROM audit_context");
  transaction_.commit();
}

}  // namespace arcus::registry
