#include <nlohmann/json.hpp>

#include "cli/core/exit_code.h"
#include "cli/core/globals.h"
#include "cli/core/help.h"
#include "cli/core/parser.h"
#include "lib/base/text.h"

namespace arcus::cli {
namespace {

using Json = nlohmann::ordered_json;

Json words_json(std::string_view words, char separator) {
  return words.empty() ? Json::array() : Json(split(words, separator));
}

std::string_view type_name(ArgType type) {
  switch (type) {
    case ArgType::flag:
      return "flag";
    case ArgType::text:
      return "text";
    case ArgType::integer:
      return "integer";
    case ArgType::duration:
      return "duration";
    case ArgType::size:
      return "size";
    case ArgType::rate:
      return "rate";
  }
  return "text";
}

Json arguments_json(const std::vector<const ArgInfo*>& infos) {
  Json list = Json::array();
  for (const ArgInfo* info : infos) {
    if (info->more.hidden) continue;
    Json row{{"name", info->long_name()}, {"spelling", spelling(*info)},     {"type", type_name(info->type)},
             {"help", info->help},        {"required", info->more.required}, {"repeat", info->more.repeat}};
    if (info->letter() != 0) row["letter"] = std::string{"-"} + info->letter();
    if (info->more.negatable) row["negated"] = "--no-" + std::string{info->long_name().substr(2)};
    if (!info->more.fallback.empty()) row["default"] = info->more.fallback;
    if (!info->more.choices.empty()) row["choices"] = words_json(info->more.choices, '|');
    if (!info->more.env.empty()) row["env"] = info->more.env;
    if (!info->more.group.empty()) row["group"] = info->more.group;
    list.push_back(std::move(row));
  }
  return list;
}

Json command_json(const Noun& noun, const Command& command) {
  Json row{{"verb", command.verb},
           {"name", full_name(noun, command)},
           {"summary", command.summary},
           {"aliases", words_json(command.more.aliases, ' ')},
           {"usage", usage_line(noun, command, "")},
           {"mutating", command.more.mutating},
           {"args", arguments_json({command.args.begin(), command.args.end()})},
           {"common", arguments_json(global::for_command(command))}};
  Json examples = Json::array();
  for (const Example& example : command.more.examples)
    examples.push_back({{"command", example.command}, {"what", example.what}});
  row["examples"] = std::move(examples);
  Json columns = Json::array();
  for (const Column& column : command.more.columns)
    columns.push_back({{"key", column.key}, {"heading", column.heading}});
  row["columns"] = std::move(columns);
  if (command.more.variants == nullptr) return row;
  Json variants = Json::array();
  for (const std::string_view name : command.more.variants->names())
    variants.push_back({{"name", name},
                        {"summary", command.more.variants->summary(name)},
                        {"args", arguments_json(command.more.variants->args(name))}});
  row["variants"] = std::move(variants);
  return row;
}

}  // namespace

std::string help_json() {
  Json list = Json::array();
  for (const Noun* noun : nouns()) {
    if (noun->group == Group::hidden) continue;
    Json commands = Json::array();
    for (const Command& command : noun->commands)
      if (!command.more.hidden) commands.push_back(command_json(*noun, command));
    list.push_back({{"name", noun->name},
                    {"summary", noun->summary},
                    {"aliases", words_json(noun->aliases, ' ')},
                    {"commands", std::move(commands)}});
  }
  Json codes = Json::array();
  for (const exit_code::Row& row : exit_code::table())
    codes.push_back({{"code", row.code}, {"name", row.name}, {"when", row.when}});
  Json pages = Json::array();
  for (const Topic& topic : topics()) pages.push_back({{"name", topic.name}, {"summary", topic.summary}});
  const Json all{{"version", ARCUS_VERSION},
                 {"nouns", std::move(list)},
                 {"global", arguments_json(global::all())},
                 {"exit_codes", std::move(codes)},
                 {"topics", std::move(pages)}};
  return all.dump(2);
}

}  // namespace arcus::cli
