#pragma once

#include "lib/base/server_type.h"
#include "lib/db/database.h"

namespace arcus::registry {

/// Upserts server_type, server_option, balance_algorithm, reason, setting_spec and the built-in templates
/// from this binary's tables. Removes nothing: an older binary must not take away what a newer one added.
/// Writes only what differs.
void sync_catalog(Database& db, const Catalog& catalog);

/// What every command does before its first write: migrate() and sync_catalog(). Returns true when something
/// was done.
bool prepare_registry(Database& db, const Catalog& catalog);

}  // namespace arcus::registry
