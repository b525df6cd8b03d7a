#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/core/output.h"
#include "lib/base/error.h"

namespace arcus::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

struct JsonCell {
  std::string operator()(std::monostate) const { return "null"; }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const {
    return std::isfinite(number) ? plain_text(Cell{number}) : "null";
  }
  std::string operator()(const std::string& text) const { return json_quoted(text); }
  std::string operator()(const JsonText& json) const { return json.text.empty() ? "null" : json.text; }
};

}  // namespace

std::string json_quoted(std::string_view text) { return dump(Json(text), -1); }

std::string json_row(const Table& table, const std::vector<std::size_t>& columns,
                     const std::vector<Cell>& row) {
  std::string out = "{";
  for (const std::size_t c : columns) {
    if (out.size() > 1) out += ',';
    out.append("\"")
        .append(table.columns()[c].key)
        .append("\":")
        .append(std::visit(JsonCell{}, row[c].value));
  }
  return out + "}";
}

std::string json_pretty(std::string_view document) {
  const Json json = Json::parse(document, nullptr, false);
  return json.is_discarded() ? std::string{document} : dump(json, 2);
}

std::string json_at(std::string_view document, const std::string& pointer) {
  const Json json = Json::parse(document, nullptr, false);
  try {
    const Json& found = json.at(Json::json_pointer{pointer});
    return found.is_string() ? found.get<std::string>() : dump(found, -1);
  } catch (const Json::exception&) {
    Error error{ErrorKind::not_found, "nothing at '" + pointer + "'"};
    if (!json.is_object()) throw std::move(error);
    std::string keys;
    for (const auto& [key, value] : json.items()) keys += (keys.empty() ? "/" : " /") + key;
    throw std::move(error).with_hint("there is " + keys);
  }
}

}  // namespace arcus::cli
