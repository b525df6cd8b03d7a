#include "cli/core/context.h"
#include "cli/core/rows.h"
#include "lib/registry/columns.h"
#include "lib/registry/settings.h"

namespace arcus::cli {
namespace {

constexpr Arg<std::string_view> key{
    "KEY", "the setting", {.required = true, .complete = Source::setting_key}};
constexpr Arg<std::vector<std::string_view>> keys{
    "KEY", "the settings", {.required = true, .complete = Source::setting_key}};
constexpr Arg<std::vector<std::string_view>> pairs{
    "KEY=VALUE", "what to set", {.required = true, .complete = Source::setting}};

constexpr Column columns[] = {
    {"key", "KEY"},
    {"value", "VALUE"},
    {"default", "DEFAULT"},
    {"source", "SOURCE"},
    {"help", "MEANING", Show::wide, Unit::prose},
};

int run_list(Context& context, const Args&) {
  context.out().list(
      table_of(registry::people_view(context.db(), "settings"), columns, context.out().machine()));
  return exit_code::ok;
}

constexpr const ArgInfo* get_signature[] = {&key};
constexpr const ArgInfo* set_signature[] = {&pairs};
constexpr const ArgInfo* unset_signature[] = {&keys};

int run_get(Context& context, const Args& args) {
  context.out().line(registry::get_setting(context.db(), args[key]));
  return exit_code::ok;
}

int run_set(Context& context, const Args& args) {
  context.change([&](Database& db) {
    for (const std::string_view word : args[pairs]) {
      const registry::Assignment pair = registry::parse_assignment(word);
      registry::set_setting(db, pair.key, pair.value.value_or(""));
    }
  });
  return exit_code::ok;
}

int run_unset(Context& context, const Args& args) {
  context.change([&](Database& db) {
    for (const std::string_view word : args[keys]) registry::unset_setting(db, word);
  });
  return exit_code::ok;
}

constexpr Example get_examples[] = {{"arcusctl config get health_interval_ms", ""}};
constexpr Example set_examples[] = {
    {"arcusctl config set health_interval_ms=10s", "poll listeners every ten seconds"},
    {"arcusctl config set auto_start=false", "new servers wait for server start"},
};
constexpr Example unset_examples[] = {{"arcusctl config unset health_interval_ms", "back to the default"}};

constinit const Command commands[] = {
    {"list",
     "settings of the whole registry",
     {},
     run_list,
     {.lists = true, .aliases = "ls", .columns = columns}},
    {"get", "one value", get_signature, run_get, {.aliases = "show", .examples = get_examples}},
    {"set",
     "change settings; a running daemon follows",
     set_signature,
     run_set,
     {.mutating = true, .examples = set_examples}},
    {"unset",
     "back to the defaults",
     unset_signature,
     run_unset,
     {.mutating = true, .examples = unset_examples}},
};

}  // namespace

extern const Noun config_noun;
constinit const Noun config_noun{"config", "settings of the whole registry", Group::file, commands,
                                 "setting settings"};

}  // namespace arcus::cli
