#include "cli/completion/scripts.h"
#include "cli/core/context.h"
#include "cli/core/help.h"
#include "lib/base/server_type.h"

/// `completion`, `help` and `version`: about the program itself.
namespace arcus::cli {
namespace {

constexpr Arg<std::string_view> shell{
    "SHELL",
    "bash, zsh or fish",
    {.required = true, .choices = "bash|zsh|fish", .complete = Source::choices}};
constexpr const ArgInfo* completion_signature[] = {&shell};

int run_completion(Context& context, const Args& args) {
  const std::string_view word = args[shell];
  context.out().raw(word == "bash" ? bash_completion : word == "zsh" ? zsh_completion : fish_completion);
  return exit_code::ok;
}

constexpr Arg<std::vector<std::string_view>> about{
    "COMMAND|TOPIC", "what to explain", {.complete = Source::command}};
constexpr Arg<bool> json{"--json", "the whole command table, for programs"};
constexpr const ArgInfo* help_signature[] = {&about, &json};

int run_help(Context& context, const Args& args) {
  if (args[json])
    context.out().raw(help_json() + "\n");
  else
    context.out().raw(help_about(args[about]));
  return exit_code::ok;
}

constexpr Column version_columns[] = {{"version"}, {"sqlite"},   {"openssl"},
                                      {"c-ares"},  {"compiler"}, {"server_types"}};

int run_version(Context& context, const Args&) {
  std::string types;
  for (const ServerType* type : context.catalog().server_types)
    types.append(types.empty() ? "" : ",").append(type->name);
  if (!context.out().machine()) {
    context.out().line("arcusctl " ARCUS_VERSION);
    context.out().line("sqlite " ARCUS_SQLITE ", openssl " ARCUS_OPENSSL ", c-ares " ARCUS_CARES "");
    context.out().line("server types: " + types);
    return exit_code::ok;
  }
  Table table{version_columns};
  table.add(ARCUS_VERSION, ARCUS_SQLITE, ARCUS_OPENSSL, ARCUS_CARES, __VERSION__, types);
  context.out().object(table);
  return exit_code::ok;
}

constexpr Example completion_examples[] = {
    {"source <(arcusctl completion bash)", "for this shell"},
    {"arcusctl completion zsh > ~/.zfunc/_arcusctl", ""},
    {"arcusctl completion fish > ~/.config/fish/completions/arcusctl.fish", ""}};
constexpr Example help_examples[] = {{"arcusctl help server add", ""},
                                     {"arcusctl help exit-codes", "a topic"}};

constexpr Command completion_commands[] = {{"",
                                            "print a completion script",
                                            completion_signature,
                                            run_completion,
                                            {.needs_db = false, .examples = completion_examples}}};
constexpr Command help_commands[] = {{"",
                                      "explain a command or a topic",
                                      help_signature,
                                      run_help,
                                      {.needs_db = false, .examples = help_examples}}};
constexpr Command version_commands[] = {
    {"", "versions of the program and its libraries", {}, run_version, {.needs_db = false}}};

}  // namespace

extern const Noun completion_noun;
extern const Noun help_noun;
extern const Noun version_noun;
constinit const Noun completion_noun{"completion", "print a completion script", Group::file,
                                     completion_commands};
constinit const Noun help_noun{"help", "explain a command or a topic", Group::file, help_commands};
constinit const Noun version_noun{"version", "versions of the program and its libraries", Group::file,
                                  version_commands};

}  // namespace arcus::cli
