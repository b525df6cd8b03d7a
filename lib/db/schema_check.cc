#include <sqlite3.h>

#include <map>

#include "lib/base/error.h"
#include "lib/db/migrate.h"

namespace arcus {

namespace {

/// SQL text by "type 'name'".
using Objects = std::map<std::string, std::string>;

constexpr const char* list_objects =
    "SELECT type || ' ''' || name || '''', sql FROM sqlite_schema"
    " WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT LIKE 'x\\_%' ESCAPE '\\'";

/// A database in memory with the shipped schema.
class Model {
 public:
  explicit Model(const Schema& schema) {
    if (sqlite3_open(":memory:", &handle_) != SQLITE_OK) throw Error{ErrorKind::failed, "out of memory"};
    for (const Migration& step : schema.steps) run(step.sql);
    run(schema.views);
    run(schema.triggers);
  }
  ~Model() { sqlite3_close_v2(handle_); }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  Objects objects() {
    Objects found;
    const auto collect = [](void* data, int, char** values, char**) {
      static_cast<Objects*>(data)->emplace(values[0], values[1]);
      return 0;
    };
    sqlite3_exec(handle_, list_objects, collect, &found, nullptr);
    return found;
  }

 private:
  void run(std::string_view sql) {
    if (sqlite3_exec(handle_, std::string{sql}.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return;
    throw Error{ErrorKind::failed,
                std::string{"the schema of this program is wrong: "} + sqlite3_errmsg(handle_)};
  }

  sqlite3* handle_ = nullptr;
};

}  // namespace

std::vector<std::string> schema_differences(Database& db, const Schema& schema) {
  const Objects shipped = Model{schema}.objects();
  Objects found;
  auto rows = db.query(list_objects);
  while (rows.step()) found.emplace(rows.text(0), rows.text(1));

  std::vector<std::string> differences;
  for (const auto& [object, sql] : shipped) {
    const auto same = found.find(object);
    if (same == found.end())
      differences.push_back("missing " + object);
    else if (same->second != sql)
      differences.push_back("changed " + object);
  }
  for (const auto& [object, sql] : found)
    if (!shipped.contains(object)) differences.push_back("unknown " + object);
  return differences;
}

}  // namespace arcus
