#include <nlohmann/json.hpp>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/registry/spec.h"
#include "lib/registry/templates.h"

namespace arcus::registry {

using Json = nlohmann::ordered_json;

namespace {
/// Reads one JSON object into the front of a spec: what the spec has already wins.
class SpecReader {
 public:
  explicit SpecReader(ServerSpec& spec) : spec_(spec) {}
  void read(const Json& object);
  void finish();

 private:
  void read_key(const std::string& key, const Json& value);
  void read_backends(const Json& value);
  void read_routes(const Json& value);
  void take_word(std::string& into, const std::string& key, const Json& value);

  ServerSpec& spec_;
  std::vector<Assignment> front_;
  std::vector<BackendSpec> backends_;
  std::vector<RouteSpec> routes_;
  std::vector<std::string> problems_;
};
}  // namespace

static std::string scalar_text(const Json& value) {
  return value.is_string() ? value.get<std::string>()
                           : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void SpecReader::take_word(std::string& into, const std::string& key, const Json& value) {
  if (!value.is_string())
    problems_.push_back(key + ": a string");
  else if (into.empty())
    into = value.get<std::string>();
}

void SpecReader::read_backends(const Json& value) {
  if (!value.is_array()) {
    problems_.emplace_back("backends: an array");
    return;
  }
  for (const Json& item : value) {
    std::string text = item.is_string() ? item.get<std::string>() : "";
    if (item.is_object()) {
      text = item.contains("address") ? scalar_text(item["address"]) : "";
      for (const auto& [key, part] : item.items()) {
        if (key == "weight") text += ",weight=" + scalar_text(part);
        if (key == "max_connections") text += ",max=" + scalar_text(part);
        if (key == "backup" && part == true) text += ",backup";
        if (key == "tls" && part == true) text += ",tls";
        if (key == "tls_server_name" && part.is_string()) text += ",sni=" + scalar_text(part);
        if (key == "tls_verify" && part != "full") text += ",verify=" + scalar_text(part);
        if (key == "tls_ca_path" && part.is_string()) text += ",ca=" + scalar_text(part);
        if (key == "password_path" && part.is_string()) text += ",password_file=" + scalar_text(part);
      }
    }
    try {
      backends_.push_back(parse_backend(text));
    } catch (const Error& error) {
      problems_.emplace_back(error.what());
    }
  }
}

void SpecReader::read_routes(const Json& value) {
  if (!value.is_object()) {
    problems_.emplace_back("routes: an object such as {\"app.example\": \"10.0.0.1:443\"}");
    return;
  }
  for (const auto& [pattern, target] : value.items()) {
    try {
      routes_.push_back(parse_route(pattern + "=" + scalar_text(target)));
    } catch (const Error& error) {
      problems_.emplace_back(error.what());
    }
  }
}

void SpecReader::read_key(const std::string& key, const Json& value) {
  if (key == "type" || key == "server_type") return take_word(spec_.type, key, value);
  if (key == "name") return take_word(spec_.name, key, value);
  if (key == "backends") return read_backends(value);
  if (key == "routes") return read_routes(value);
  if (key == "config" || key == "labels") {
    if (!value.is_object()) {
      problems_.push_back(key + ": an object");
      return;
    }
    for (const auto& [member, item] : value.items())
      front_.push_back({key + "." + member, item.is_string() ? item.get<std::string>() : item.dump()});
    return;
  }
  if (key != "listen") {
    try {
      find_column(server_columns(), key, "server");
    } catch (const Error& error) {
      problems_.push_back(std::string{error.what()} +
                          (error.suggestion().empty() ? "" : ", did you mean " + error.suggestion()));
      return;
    }
  }
  front_.push_back({key, value.is_null() ? std::nullopt : std::optional{scalar_text(value)}});
}

void SpecReader::read(const Json& object) {
  for (const auto& [key, value] : object.items()) read_key(key, value);
}

void SpecReader::finish() {
  if (!problems_.empty()) throw Error(ErrorKind::usage, problems_.front()).with_details(problems_);
  spec_.assignments.insert(spec_.assignments.begin(), front_.begin(), front_.end());
  if (spec_.backends.empty()) spec_.backends = std::move(backends_);
  if (spec_.routes.empty()) spec_.routes = std::move(routes_);
}

void apply_json(ServerSpec& spec, std::string_view json) {
  Json object;
  try {
    object = Json::parse(json, nullptr, true, true);
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::usage, "the configuration is no JSON: " + std::string{error.what()});
  }
  if (!object.is_object()) throw Error(ErrorKind::usage, "the configuration must be one JSON object");
  SpecReader reader(spec);
  reader.read(object);
  reader.finish();
}

void apply_template(Database& db, ServerSpec& spec, std::string_view template_name) {
  const Template row = get_template(db, template_name);
  spec.template_name = row.name;
  if (spec.name.empty()) {
    spec.name = row.name;
    for (char& c : spec.name)
      if (c == '_') c = '-';
  }
  apply_json(spec, row.spec);
  // An empty list of backends in a template says that it is of no use without.
  if (spec.backends.empty() && row.spec.find("\"backends\":[]") != std::string::npos)
    throw Error(ErrorKind::usage, "template '" + row.name + "' needs a backend")
        .about(row.name)
        .with_hint("add --backend HOST:PORT");
}

}  // namespace arcus::registry
