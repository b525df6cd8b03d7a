#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

/// What single rules, users and backends have counted: table tally. All writes run inside a Mutation with
/// `via` "daemon".
namespace arcus::registry {

/// Absolute counts of one of them in one incarnation of a worker; see wire::Tally.
struct TallyCounts {
  std::string kind;  ///< acl, backend, user
  std::string id;
  std::uint64_t uses = 0;
  std::uint64_t ended = 0;
  std::uint64_t failures = 0;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::string last_at;  ///< empty = never
};

/// Upserts the counts; idempotent. Writes nothing for an incarnation that is folded or unknown, nor for what
/// is in the registry no more.
void put_tallies(Database& db, std::string_view incarnation, const std::vector<TallyCounts>& counts);

/// Adds an incarnation's rows to incarnation '', and drops all that are of nothing any more. In the
/// transaction that folds its server counters.
void fold_tallies(Database& db, std::string_view incarnation);

}  // namespace arcus::registry
