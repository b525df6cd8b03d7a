#pragma once

#include <sqlite3.h>
#include <sys/types.h>

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "lib/base/error.h"
#include "lib/db/database.h"
#include "lib/db/migrate.h"

namespace arcus::test {

/// A private directory that goes with the scope; in memory where the system has such a place.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

/// A small schema in two steps, with one trigger and one view.
inline constexpr std::array test_steps{
    Migration{
        1, "first",
        "CREATE TABLE setting (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;"
        "CREATE TABLE tenant (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE"
        " CONSTRAINT \"tenant.name: no capital letters\" CHECK (name = lower(name))) STRICT;"
        "CREATE TABLE server (id INTEGER PRIMARY KEY, tenant_id INTEGER NOT NULL REFERENCES tenant (id),"
        " port INTEGER NOT NULL) STRICT;"},
    Migration{2, "second", "ALTER TABLE server ADD COLUMN label TEXT NOT NULL DEFAULT '';"},
};
inline constexpr std::string_view test_triggers =
    "CREATE TRIGGER tenant_delete_check BEFORE DELETE ON tenant\n"
    "WHEN EXISTS (SELECT 1 FROM server WHERE tenant_id = OLD.id)\n"
    "BEGIN SELECT RAISE(ABORT, 'tenant: still has servers (delete them first)'); END;\n";
inline constexpr std::string_view test_views =
    "CREATE VIEW tenants AS SELECT name, (SELECT count(*) FROM server s WHERE s.tenant_id = t.id) AS servers"
    " FROM tenant t;\n";

/// The schema of test_steps up to `version`.
Schema test_schema(int version = 2);

/// What a test opens with: the gate of test_schema, not of the embedded one.
OpenOptions test_options(std::string vfs = {});

/// Makes a registry of test_schema(version) at `path`.
void make_registry(const std::filesystem::path& path, int version = 2);

/// What a person's shell does: another connection without any of our set-up. Throws std::runtime_error.
class Shell {
 public:
  explicit Shell(const std::filesystem::path& path);
  ~Shell();
  Shell(const Shell&) = delete;
  Shell& operator=(const Shell&) = delete;

  void run(const std::string& sql);

 private:
  sqlite3* handle_ = nullptr;
};

/// Runs `body` in a child process, which ends with 0, or with 1 after an exception; its process id.
pid_t in_child(const std::function<void()>& body);

/// The exit status of `child` once it has ended.
int wait_for(pid_t child);

/// The first value of the first row.
std::string value_of(Database& db, std::string_view sql);

/// Runs `body` and gives back the Error it must throw.
template <class Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  throw std::logic_error("no error was thrown");
}

}  // namespace arcus::test
