#include "cli/core/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "cli/core/globals.h"
#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::cli {
namespace {

struct Bound {
  const ArgInfo* info;
  CLI::Option* option;
  bool is_global;
};

/// "-f,--file", with "!--no-file" when it can be negated: CLI11's way to name an option.
std::string option_name(const ArgInfo& info) {
  std::string name{info.name};
  if (info.more.negatable) name.append(",!--no-").append(info.long_name().substr(2));
  return name;
}

CLI::Option* add(CLI::App& app, const ArgInfo& info) {
  if (info.type == ArgType::flag || info.more.optional_value)
    return app.add_flag(option_name(info))->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  // All words are kept; Args reads the last one of what is not repeatable.
  return app.add_option(option_name(info))
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

/// Binds the command's own options first: a name of theirs hides the global one.
std::vector<Bound> bind_all(CLI::App& app, const std::vector<const ArgInfo*>& own) {
  std::vector<Bound> bound;
  const std::vector<const ArgInfo*> globals = global::all();
  const auto is_global = [&](const ArgInfo* info) {
    return std::ranges::find(globals, info) != globals.end();
  };
  for (const ArgInfo* info : own)
    if (!info->positional()) bound.push_back({info, add(app, *info), is_global(info)});
  for (const ArgInfo* info : globals) {
    const bool hidden =
        std::ranges::any_of(own, [&](const ArgInfo* mine) { return mine->long_name() == info->long_name(); });
    if (!hidden) bound.push_back({info, add(app, *info), true});
  }
  return bound;
}

std::vector<std::string> option_words(const std::vector<const ArgInfo*>& own, const Command& command) {
  std::vector<std::string> words;
  for (const ArgInfo* info : own) {
    if (info->positional() || info->more.hidden) continue;
    words.emplace_back(info->long_name());
    if (info->more.negatable) words.push_back("--no-" + std::string{info->long_name().substr(2)});
  }
  for (const ArgInfo* info : global::for_command(command)) words.emplace_back(info->long_name());
  return words;
}

std::string help_hint(const Noun& noun, const Command& command, std::string_view variant) {
  std::string hint = "arcusctl " + full_name(noun, command);
  if (!variant.empty()) hint.append(" ").append(variant);
  return hint + " --help";
}

/// What the parser knows of the line while it judges it.
struct Line {
  const Noun& noun;
  const Command& command;
  std::vector<const ArgInfo*> own;
  std::string variant;

  [[nodiscard]] std::string name() const {
    std::string text = full_name(noun, command);
    if (!variant.empty()) text.append(" ").append(variant);
    return text;
  }
};

[[noreturn]] void unknown_option(const Line& line, std::string_view word) {
  const std::string option{word.substr(0, word.find('='))};
  Error error{ErrorKind::usage, "unknown option '" + option + "' for '" + line.name() + "'"};
  if (auto near = nearest_word(option, option_words(line.own, line.command)))
    throw std::move(error).suggest(*near);
  throw std::move(error).with_hint(help_hint(line.noun, line.command, line.variant));
}

[[noreturn]] void too_many_words(const Line& line, std::string_view word) {
  throw Error{ErrorKind::usage, "'" + line.name() + "' has no use for the word '" + std::string{word} + "'"}
      .with_hint(usage_line(line.noun, line.command, line.variant));
}

/// `--reason=` would otherwise take the next word as its value.
void refuse_empty_values(const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (word == "--") return;
    if (word.starts_with("--") && word.find('=') == word.size() - 1)
      throw Error{ErrorKind::usage, word.substr(0, word.size() - 1) + ": an empty value says nothing"};
  }
}

void run_parser(CLI::App& app, const Line& line, const std::vector<std::string>& words) {
  std::vector<std::string> reversed(words.rbegin(), words.rend());
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::ParseError& error) {
    if (!words.empty() && words.back().starts_with('-'))
      throw Error{ErrorKind::usage, words.back() + " needs a value"}.with_hint(
          help_hint(line.noun, line.command, line.variant));
    throw Error{ErrorKind::usage, to_lower(error.what())};
  }
}

/// Gives the bare words to the positionals in their order; one that repeats takes all that are left.
void distribute(const Line& line, const std::vector<std::string>& words, std::vector<Args::Entry>& given) {
  std::size_t next = 0;
  for (const ArgInfo* info : line.own) {
    if (!info->positional() || next == words.size()) continue;
    const std::size_t take = info->more.repeat ? words.size() - next : 1;
    given.push_back({info,
                     {words.begin() + static_cast<std::ptrdiff_t>(next),
                      words.begin() + static_cast<std::ptrdiff_t>(next + take)}});
    next += take;
  }
  if (next < words.size()) too_many_words(line, words[next]);
}

void add_environment(const std::vector<const ArgInfo*>& infos, std::vector<Args::Entry>& given) {
  for (const ArgInfo* info : infos) {
    if (info->more.env.empty()) continue;
    if (std::ranges::find(given, info, &Args::Entry::info) != given.end()) continue;
    std::string value{global::environment(info->more.env)};
    if (value.empty()) continue;
    if (info->type == ArgType::flag) value = value == "0" || value == "false" ? "false" : "true";
    given.push_back({info, {std::move(value)}});
  }
}

void check(const Line& line, const std::vector<Args::Entry>& given) {
  for (const Args::Entry& entry : given)
    for (const std::string& value : entry.values)
      if (!(entry.info->more.optional_value && value == "true")) check_value(*entry.info, value);
  for (const ArgInfo* info : line.own) {
    if (!info->more.required || std::ranges::find(given, info, &Args::Entry::info) != given.end()) continue;
    throw Error{ErrorKind::usage, "'" + line.name() + "' needs " + std::string{info->long_name()}}.with_hint(
        usage_line(line.noun, line.command, line.variant));
  }
}

/// A list flag on a command without a list would silently do nothing: say so.
void refuse_idle_globals(const Line& line, const std::vector<Args::Entry>& given) {
  std::vector<const ArgInfo*> useful = global::for_command(line.command);
  useful.insert(useful.end(), line.own.begin(), line.own.end());
  for (const Args::Entry& entry : given)
    if (std::ranges::find(useful, entry.info) == useful.end()) unknown_option(line, entry.info->long_name());
}

/// The variant the first bare word names; an option of another variant is refused by name.
void choose_variant(Line& line, const std::vector<std::string>& bare, const std::vector<Args::Entry>& given) {
  const Variants* variants = line.command.more.variants;
  if (variants == nullptr || bare.empty()) return;
  line.variant = variants->canonical(bare[0]);
  if (line.variant.empty()) return;
  line.own = arguments_of(line.command, line.variant);
  for (const Args::Entry& entry : given)
    if (std::ranges::find(line.own, entry.info) == line.own.end())
      unknown_option(line, entry.info->long_name());
}

}  // namespace

std::vector<const ArgInfo*> arguments_of(const Command& command, std::string_view variant) {
  std::vector<const ArgInfo*> list;
  if (command.more.variants != nullptr) list = command.more.variants->args(variant);
  list.insert(list.begin(), command.args.begin(), command.args.end());
  return list;
}

std::string usage_line(const Noun& noun, const Command& command, std::string_view variant) {
  std::string line = "arcusctl " + full_name(noun, command);
  bool options = false;
  for (const ArgInfo* info : arguments_of(command, variant)) {
    if (info->more.hidden) continue;
    if (!info->positional() && !info->more.required) {
      options = true;
      continue;
    }
    std::string word{info->long_name()};
    if (info->positional() && info == command.args.front() && !variant.empty()) word = variant;
    if (!info->positional())
      word.append(" ").append(info->more.metavar.empty() ? "VALUE" : info->more.metavar);
    if (info->more.repeat && info->positional()) word += "...";
    line += info->more.required ? " " + word : " [" + word + "]";
  }
  return options ? line + " [flags]" : line;
}

Parsed parse(const Noun& noun, const Command& command, const std::vector<std::string>& words) {
  refuse_empty_values(words);
  Line line{noun, command, arguments_of(command, ""), {}};
  CLI::App app;
  app.set_help_flag("");
  app.allow_extras();
  CLI::Option* positionals = app.add_option("words")
                                 ->expected(0, CLI::detail::expected_max_vector_size)
                                 ->allow_extra_args(true)
                                 ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  const std::vector<Bound> bound = bind_all(app, line.own);
  run_parser(app, line, words);

  const std::vector<std::string> bare = positionals->results();
  std::vector<Args::Entry> own;
  std::vector<Args::Entry> globals;
  for (const Bound& item : bound)
    if (item.option->count() > 0)
      (item.is_global ? globals : own).push_back({item.info, item.option->results()});
  choose_variant(line, bare, own);
  for (const std::string& word : app.remaining())
    if (word != "--") unknown_option(line, word);
  refuse_idle_globals(line, globals);
  distribute(line, bare, own);
  add_environment(line.own, own);
  add_environment(global::for_command(command), globals);
  check(line, own);
  check({noun, command, {}, line.variant}, globals);
  return {Args{std::move(globals)}, Args{std::move(own)}, line.variant};
}

}  // namespace arcus::cli
