#pragma once

#include <string>

namespace arcus::cli {

/// Where the registry is when neither --db nor ARCUS_DB says so: /var/lib/arcus/arcus.db for root and for
/// members of group `arcus` when that directory exists, else $XDG_DATA_HOME/arcus/arcus.db.
std::string default_db_path();

/// `path` made absolute, without touching the file system beyond the working directory.
std::string absolute_path(const std::string& path);

}  // namespace arcus::cli
