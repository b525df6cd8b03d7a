#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "cli/doctor_checks.h"
#include "lib/base/error.h"
#include "lib/base/units.h"
#include "lib/db/backup.h"
#include "lib/db/checkpoint.h"
#include "lib/db/migrate.h"
#include "lib/registry/audit_chain.h"

namespace arcus::cli::doctor {

namespace {

constexpr std::int64_t log_bound = 16 << 20;
constexpr std::int64_t scarce_space = 64 << 20;
constexpr std::int64_t no_space = 1 << 20;
constexpr const char* fix_command = "arcusctl doctor --fix";

/// The registry and what stands beside it.
std::vector<std::string> files_of(const Patient& patient) {
  const std::string db = patient.paths.db.string();
  return {db, db + "-wal", db + "-shm", patient.paths.lock.string(), patient.paths.socket.string()};
}

std::string mode_text(mode_t mode) {
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "%04o", mode & 07777u);
  return text.data();
}

}  // namespace

Findings look_at_file(const Patient& patient) {
  if (!patient.db) return {{State::error, patient.db_error, patient.db_hint}};
  auto size = patient.db->query("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size");
  const std::int64_t bytes = size.step() ? size.integer(0) : 0;
  return {{State::ok, patient.paths.db.string() + ", schema " + std::to_string(patient.db->schema_version()) +
                          ", " + size_text(bytes)}};
}

Findings look_at_integrity(const Patient& patient) {
  Findings found;
  for (std::string& finding : check_integrity(*patient.db, CheckDepth::quick))
    found.push_back({State::error, std::move(finding), "arcusctl db restore BACKUP"});
  if (found.empty()) found.push_back({State::ok, "pages and references are sound"});
  return found;
}

Findings look_at_schema(const Patient& patient) {
  const int version = patient.db->schema_version();
  const int newest = Schema{}.version();
  if (version < newest)
    return {{State::warn,
             "schema " + std::to_string(version) + ", this program has " + std::to_string(newest),
             "arcusctl db migrate"}};
  Findings found;
  for (std::string& difference : schema_differences(*patient.db)) {
    const bool table = difference.find(" table ") != std::string::npos;
    const std::string remedy = table ? "arcusctl db restore BACKUP" : fix_command;
    found.push_back({State::error, std::move(difference), remedy});
  }
  if (found.empty()) found.push_back({State::ok, "tables, views and triggers are those of this program"});
  return found;
}

std::vector<std::string> restore_schema(Patient& patient) {
  const Schema shipped;
  const auto before = schema_differences(*patient.db);
  if (patient.db->schema_version() != shipped.version() || before.empty()) return {};
  {
    Database db{patient.paths.db, OpenMode::read_write};
    rebuild_triggers_and_views(db);
  }
  const auto after = schema_differences(*patient.db);
  std::vector<std::string> done;
  for (const std::string& difference : before)
    if (std::ranges::find(after, difference) == after.end()) done.push_back("made anew: " + difference);
  return done;
}

Findings look_at_modes(const Patient& patient) {
  Findings found;
  struct stat registry {};
  const bool known = ::stat(patient.paths.db.c_str(), &registry) == 0;
  for (const std::string& file : files_of(patient)) {
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0) continue;
    if ((status.st_mode & S_IWOTH) != 0)
      found.push_back({State::error,
                       file + " may be changed by anybody (mode " + mode_text(status.st_mode) + ")",
                       fix_command});
    if (known && status.st_uid != registry.st_uid)
      found.push_back({State::warn,
                       file + " belongs to uid " + std::to_string(status.st_uid) + ", the registry to uid " +
                           std::to_string(registry.st_uid),
                       "chown --reference=" + patient.paths.db.string() + " " + file});
  }
  if (found.empty() && known)
    found.push_back({State::ok, "nobody else may write (mode " + mode_text(registry.st_mode) + ")"});
  return found;
}

std::vector<std::string> tighten_modes(Patient& patient) {
  std::vector<std::string> done;
  for (const std::string& file : files_of(patient)) {
    struct stat status {};
    if (::lstat(file.c_str(), &status) != 0 || S_ISLNK(status.st_mode) || (status.st_mode & S_IWOTH) == 0)
      continue;
    const mode_t mode = status.st_mode & 07777u & ~static_cast<mode_t>(S_IWOTH);
    if (::chmod(file.c_str(), mode) != 0)
      throw system_error("cannot change the mode of '" + file + "'", errno);
    done.push_back("mode of " + file + " is now " + mode_text(mode));
  }
  return done;
}

Findings look_at_log(const Patient& patient) {
  const std::int64_t size = wal_size(patient.paths.db);
  if (size <= log_bound) return {{State::ok, "write-ahead log " + size_text(size)}};
  return {{State::warn, "write-ahead log " + size_text(size) + ": a reader keeps it, or no daemon folds it",
           fix_command}};
}

std::vector<std::string> fold_log(Patient& patient) {
  const std::int64_t before = wal_size(patient.paths.db);
  if (before <= log_bound) return {};
  Database db{patient.paths.db, OpenMode::read_write};
  if (!checkpoint(db).done) return {};
  return {"write-ahead log folded in, was " + size_text(before)};
}

Findings look_at_audit(const Patient& patient) {
  if (patient.db->schema_version() < Schema{}.version()) return {};
  const registry::AuditCheck check = registry::check_audit(*patient.db);
  Findings found;
  for (const auto& fault : check.faults)
    found.push_back({State::error, "audit row " + std::to_string(fault.id) + " " + fault.problem,
                     "arcusctl audit show " + std::to_string(fault.id)});
  if (found.empty()) found.push_back({State::ok, count_text(check.sealed) + " audit rows fit their seals"});
  return found;
}

Findings look_at_space(const Patient& patient) {
  struct statvfs disk {};
  if (::statvfs(patient.paths.db.parent_path().c_str(), &disk) != 0)
    return {{State::skip, "free space is not known: " + errno_text(errno)}};
  const auto free = static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize);
  const State state = free < no_space ? State::error : free < scarce_space ? State::warn : State::ok;
  return {{state, size_text(free) + " free on the disk of the registry",
           state == State::ok ? "" : "arcusctl db vacuum"}};
}

}  // namespace arcus::cli::doctor
