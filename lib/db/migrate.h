#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/db/database.h"

namespace arcus {

/// One step of the schema. Versions are 1, 2, 3 ... without a gap; `sql` holds tables, indexes and rows, no
/// trigger and no view, no BEGIN or COMMIT.
struct Migration {
  int version;
  std::string_view name;
  std::string_view sql;
};

/// The schema in this binary; defined by the output of schema/embed.py.
std::span<const Migration> embedded_migrations() noexcept;
std::string_view embedded_triggers() noexcept;
std::string_view embedded_views() noexcept;

/// All that makes a registry's schema.
struct Schema {
  std::span<const Migration> steps = embedded_migrations();
  std::string_view triggers = embedded_triggers();
  std::string_view views = embedded_views();

  /// The number of the newest step.
  int version() const noexcept { return steps.empty() ? 0 : steps.back().version; }
};

struct MigrationResult {
  int from = 0;                ///< schema number found
  int to = 0;                  ///< schema number now
  bool adopted = false;        ///< the file had lost its application_id (`.dump | sqlite3 new.db`)
  bool rebuilt_views = false;  ///< triggers and views were made anew
  std::string backup;          ///< path of the copy made before an upgrade; empty without one
};

/// Brings `db` up to `schema` in one transaction with the schema number read inside: two commands that start
/// at once are safe, and a crash leaves the old schema or the new one. An older file that holds tables is
/// first copied to `<db>.v<N>.bak`. Triggers and views are dropped and made anew when their text differs from
/// what the file was made with; those named `x_...` are the operator's and stay. `version` is that of this
/// program. Throws Error: registry when the file is newer than this program or stays locked; conflict when a
/// daemon of another version runs and a step would be needed (triggers and views are then left as they are).
MigrationResult migrate(Database& db, std::string_view version, const Schema& schema = {});

/// Triggers and views made anew whatever the file says; how `doctor --fix` restores dropped ones.
void rebuild_triggers_and_views(Database& db, const Schema& schema = {});

/// How the file's tables, indexes, triggers and views differ from a registry made by this program: one line
/// for each object, as `missing trigger 'server_audit_insert'`. Empty when equal. Objects named `x_...` are
/// not looked at.
std::vector<std::string> schema_differences(Database& db, const Schema& schema = {});

}  // namespace arcus
