#include "lib/registry/assign.h"

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "lib/base/address.h"
#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/registry/certs.h"

namespace arcus::registry {

using Json = nlohmann::ordered_json;

AssignTable tenant_assign_table() noexcept { return {"tenant", "tenant", tenant_columns()}; }
AssignTable server_assign_table() noexcept { return {"server", "server", server_columns()}; }
AssignTable backend_assign_table() noexcept { return {"backend", "backend", backend_columns()}; }

namespace {

/// Collects what one UPDATE will write.
class Changes {
 public:
  Changes(Database& db, const AssignTable& table, std::string_view id) : db_(db), table_(table), id_(id) {}

  void add(const Assignment& assignment);
  void write();

 private:
  void add_column(const Assignment& assignment);
  void add_member(std::string_view column, std::string_view key, const std::optional<std::string>& value);
  void add_listen(const std::optional<std::string>& value);
  std::string cert_names(std::string_view text);
  std::optional<std::string> current(std::string_view column);
  std::optional<std::string> fallback(std::string_view column);

  Database& db_;
  AssignTable table_;
  std::string_view id_;
  std::map<std::string, std::optional<std::string>, std::less<>> values_;
};

}  // namespace

std::optional<std::string> Changes::current(std::string_view column) {
  // Table and column names come from our own tables, never from what was typed.
  auto st = db_.query(
      "SELECT " + std::string{column} + " FROM " + std::string{table_.table} + " WHERE id = ?", id_);
  if (!st.step())
    throw Error(ErrorKind::not_found, "no " + std::string{table_.what} + " of id " + std::string{id_});
  return st.column<std::optional<std::string>>(0);
}

std::optional<std::string> Changes::fallback(std::string_view column) {
  auto st = db_.query("SELECT dflt_value FROM pragma_table_info(?) WHERE name = ?", table_.table, column);
  if (!st.step()) return std::nullopt;
  auto text = st.column<std::optional<std::string>>(0);
  if (text && text->size() >= 2 && text->front() == '\'') text = text->substr(1, text->size() - 2);
  return text;
}

/// `main, shop` as `main,shop`; each must be there.
std::string Changes::cert_names(std::string_view text) {
  const std::string tenant = current("tenant_id").value_or("");
  std::vector<std::string> names;
  for (const std::string& part : split(text, ',')) {
    const std::size_t first = part.find_first_not_of(' ');
    const std::string name =
        first == part.npos ? "" : part.substr(first, part.find_last_not_of(' ') - first + 1);
    if (const auto cert = find_cert(db_, tenant, name)) {
      names.push_back(cert->name);
      continue;
    }
    std::vector<std::string> known;
    for (const Cert& cert : list_certs(db_, tenant)) known.push_back(cert.name);
    throw Error(ErrorKind::usage, "cert: this tenant has no certificate '" + name + "'")
        .suggest(nearest_word(name, known).value_or(""))
        .with_hint("arcusctl cert list");
  }
  return join(names, ",");
}

void Changes::add_column(const Assignment& assignment) {
  const Column& column = find_column(table_.columns, assignment.key, table_.what);
  std::optional<std::string> value;
  if (assignment.value) {
    if (!(column.nullable && assignment.value->empty())) value = canonical_value(column, *assignment.value);
  } else {
    value = fallback(column.key);
    if (!value && !column.nullable)
      throw Error(ErrorKind::usage, std::string{column.key} + ": has no default, give a value");
  }
  if (value && column.key == "cert") value = cert_names(*value);
  if (value && column.kind == Column::Kind::json) {
    const Json object = Json::parse(*value, nullptr, false);
    if (!object.is_object()) throw Error(ErrorKind::usage, std::string{column.key} + ": a JSON object");
    value = object.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  values_[std::string{column.key}] = std::move(value);
}

void Changes::add_member(std::string_view column, std::string_view key,
                         const std::optional<std::string>& value) {
  find_column(table_.columns, column, table_.what);
  if (key.empty()) throw Error(ErrorKind::usage, std::string{column} + ": a key after the dot");
  const auto pending = values_.find(column);
  const auto text = pending == values_.end() ? current(column) : pending->second;
  Json object = Json::parse(text.value_or("{}"), nullptr, false);
  if (!object.is_object()) object = Json::object();
  if (!value) {
    object.erase(std::string{key});
  } else {
    Json typed = column == "labels" ? Json(*value) : Json::parse(*value, nullptr, false);
    object[std::string{key}] = typed.is_discarded() ? Json(*value) : std::move(typed);
  }
  values_[std::string{column}] = object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Changes::add_listen(const std::optional<std::string>& value) {
  const auto endpoint = value ? Endpoint::parse(*value) : std::nullopt;
  if (!endpoint)
    throw Error(ErrorKind::usage,
                "listen: ADDR:PORT such as 127.0.0.1:8080 or [::1]:8080, not '" + value.value_or("") + "'");
  values_["listen_addr"] = endpoint->address.to_string();
  values_["listen_port"] = std::to_string(endpoint->port);
}

void Changes::add(const Assignment& assignment) {
  if (assignment.key == "listen" && table_.table == "server") return add_listen(assignment.value);
  const std::size_t dot = assignment.key.find('.');
  if (dot == std::string::npos) return add_column(assignment);
  const std::string column = assignment.key.substr(0, dot);
  if (column != "config" && column != "labels") return add_column(assignment);
  add_member(column, std::string_view{assignment.key}.substr(dot + 1), assignment.value);
}

void Changes::write() {
  std::string sql = "UPDATE " + std::string{table_.table} + " SET ";
  Json object = Json::object();
  for (const auto& [column, value] : values_) {
    if (current(column) == value) continue;
    if (!object.empty()) sql += ", ";
    sql += column + " = ?1 ->> '$." + column + "'";
    const Column& spec = find_column(table_.columns, column, table_.what);
    const bool text = !value || spec.kind == Column::Kind::text || spec.kind == Column::Kind::name ||
                      spec.kind == Column::Kind::choice || spec.kind == Column::Kind::address ||
                      spec.kind == Column::Kind::json;
    if (!value)
      object[column] = nullptr;
    else if (text)
      object[column] = *value;
    else
      object[column] = std::stoll(*value);
  }
  if (object.empty()) return;
  db_.exec(sql + " WHERE id = ?2", object.dump(), id_);
}

void assign(Database& db, const AssignTable& table, std::string_view id,
            std::span<const Assignment> assignments) {
  Changes changes(db, table, id);
  std::vector<std::string> problems;
  std::string suggestion;
  for (const Assignment& assignment : assignments) {
    try {
      changes.add(assignment);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::usage) throw;
      problems.emplace_back(error.what());
      if (suggestion.empty()) suggestion = error.suggestion();
    }
  }
  if (!problems.empty()) {
    const std::string first = problems.front();
    if (problems.size() == 1) problems.clear();
    throw Error(ErrorKind::usage, first).suggest(suggestion).with_details(problems);
  }
  changes.write();
}

}  // namespace arcus::registry
