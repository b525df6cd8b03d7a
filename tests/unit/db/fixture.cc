#include "tests/unit/db/fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

namespace arcus::test {

TemporaryDirectory::TemporaryDirectory() {
  std::error_code error;
  const auto base = std::filesystem::is_directory("/dev/shm", error) ? std::filesystem::path{"/dev/shm"}
                                                                     : std::filesystem::temp_directory_path();
  std::string name = base / "arcus-db-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

Schema test_schema(int version) {
  return {.steps = std::span{test_steps}.first(static_cast<std::size_t>(version)),
          .triggers = test_triggers,
          .views = test_views};
}

OpenOptions test_options(std::string vfs) { return {.newest_schema = 2, .vfs = std::move(vfs)}; }

void make_registry(const std::filesystem::path& path, int version) {
  Database db{path, OpenMode::create, test_options()};
  migrate(db, "1.0", test_schema(version));
}

Shell::Shell(const std::filesystem::path& path) {
  if (sqlite3_open(path.c_str(), &handle_) != SQLITE_OK) throw std::runtime_error(sqlite3_errmsg(handle_));
}

Shell::~Shell() { sqlite3_close_v2(handle_); }

void Shell::run(const std::string& sql) {
  if (sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    throw std::runtime_error(sqlite3_errmsg(handle_));
}

pid_t in_child(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  try {
    body();
    ::_exit(0);
  } catch (...) {
    ::_exit(1);
  }
}

int wait_for(pid_t child) {
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

std::string value_of(Database& db, std::string_view sql) {
  auto statement = db.query(sql);
  return statement.step() ? std::string{statement.text(0)} : std::string{};
}

}  // namespace arcus::test
