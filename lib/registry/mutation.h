#pragma once

#include <string>

#include "lib/db/database.h"
#include "lib/db/transaction.h"

namespace arcus::registry {

/// Who writes: goes into every audit row of the transaction.
struct Actor {
  std::string name;    ///< login name, or "daemon"
  std::string via;     ///< cli, cli-sql, daemon
  std::string reason;  ///< from --reason; empty = none
};

/// The login name of the real user (SUDO_USER behind sudo), else "uid 1000".
std::string login_name();

/// One audited transaction: every change between construction and commit() is one unit and carries `actor`.
/// Every function of lib/registry that writes must run inside one.
class Mutation {
 public:
  Mutation(Database& db, const Actor& actor);

  Database& db() noexcept { return db_; }
  /// Returns after the change is durable. Without it everything is rolled back.
  void commit();

 private:
  Database& db_;
  Transaction transaction_;
};

}  // namespace arcus::registry
