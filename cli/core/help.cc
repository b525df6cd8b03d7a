#include "cli/core/help.h"

#include <algorithm>

#include "cli/core/exit_code.h"
#include "cli/core/globals.h"
#include "cli/core/parser.h"
#include "lib/base/error.h"
#include "lib/base/text.h"

namespace arcus::cli {
namespace {

struct GroupTitle {
  Group group;
  std::string_view title;
};
constexpr GroupTitle group_titles[] = {{Group::start, "Start here"},
                                       {Group::registry, "Registry"},
                                       {Group::operate, "Operate"},
                                       {Group::look, "Look"},
                                       {Group::file, "File"}};

constexpr std::size_t page_width = 100;

/// `left` in a column, then `text` wrapped beside it.
void two_columns(std::string& out, std::string_view left, std::string_view text, std::size_t indent) {
  out.append("  ").append(left);
  std::size_t used = 2 + left.size();
  if (used + 2 > indent) {
    out += '\n';
    used = 0;
  }
  out.append(indent - used, ' ');
  std::size_t column = indent;
  for (const std::string& word : split(text, ' ')) {
    if (column > indent && column + 1 + word.size() > page_width) {
      out.append("\n").append(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  out += '\n';
}

std::string described(const ArgInfo& info) {
  std::string text{info.help};
  if (!info.more.choices.empty()) {
    std::string words{info.more.choices};
    std::ranges::replace(words, '|', ' ');
    text += " (" + words + ")";
  }
  if (!info.more.fallback.empty() && info.type != ArgType::flag)
    text += " =" + std::string{info.more.fallback};
  if (!info.more.env.empty()) text += " [" + std::string{info.more.env} + "]";
  return text;
}

void write_group(std::string& out, std::string_view title, const std::vector<const ArgInfo*>& infos) {
  if (infos.empty()) return;
  out.append("\n").append(title).append(":\n");
  for (const ArgInfo* info : infos) two_columns(out, spelling(*info), described(*info), 30);
}

/// The command's own arguments under their group headings, in the order in which groups first appear.
void write_arguments(std::string& out, const std::vector<const ArgInfo*>& own) {
  std::vector<const ArgInfo*> words;
  std::vector<std::string_view> groups;
  for (const ArgInfo* info : own) {
    if (info->more.hidden) continue;
    if (info->positional())
      words.push_back(info);
    else if (std::ranges::find(groups, info->more.group) == groups.end())
      groups.push_back(info->more.group);
  }
  write_group(out, "Arguments", words);
  for (const std::string_view group : groups) {
    std::vector<const ArgInfo*> members;
    for (const ArgInfo* info : own)
      if (!info->positional() && !info->more.hidden && info->more.group == group) members.push_back(info);
    write_group(out, group.empty() ? "Flags" : std::string{"Flags, "}.append(group), members);
  }
}

void write_variants(std::string& out, const Variants& variants, const std::string& name) {
  out += "\nTypes:\n";
  for (const std::string_view word : variants.names()) two_columns(out, word, variants.summary(word), 14);
  out += "\nThe flags of one type: arcusctl " + name + " TYPE --help\n";
}

void write_exit_codes(std::string& out, const Command& command) {
  out += "\nExit codes:\n";
  for (const ExitNote& note : command.more.exits) two_columns(out, std::to_string(note.code), note.when, 6);
  out += "  arcusctl help exit-codes has the common ones\n";
}

}  // namespace

std::string_view value_word(const ArgInfo& info) {
  if (!info.more.metavar.empty()) return info.more.metavar;
  switch (info.type) {
    case ArgType::flag:
      return "";
    case ArgType::text:
      return info.more.choices.empty() ? "TEXT" : "WORD";
    case ArgType::integer:
      return "N";
    case ArgType::duration:
      return "DUR";
    case ArgType::size:
      return "SIZE";
    case ArgType::rate:
      return "N/s";
  }
  return "TEXT";
}

std::string spelling(const ArgInfo& info) {
  if (info.positional()) return std::string{info.name} + (info.more.repeat ? "..." : "");
  std::string text = info.letter() != 0 ? std::string{"-"} + info.letter() + ", " : std::string{};
  text += info.long_name();
  if (info.more.negatable) text += ", --no-" + std::string{info.long_name().substr(2)};
  const std::string_view value = value_word(info);
  if (info.more.optional_value) return text.append("[=").append(value).append("]");
  return value.empty() ? text : text.append(" ").append(value);
}

std::string top_help() {
  std::string out =
      "arcusctl: tenants and their proxy servers in one registry file, and the program that runs them\n\n"
      "Usage: arcusctl [flags] NOUN VERB [REF...] [flags]\n\n";
  for (const GroupTitle& row : group_titles) {
    std::string words;
    for (const Noun* noun : nouns())
      if (noun->group == row.group) words.append(words.empty() ? "" : " ").append(noun->name);
    if (!words.empty()) two_columns(out, row.title, words, 14);
  }
  out +=
      "\nExamples:\n"
      "  arcusctl init && arcusctl tenant add acme\n"
      "  arcusctl server add http web -t acme --port 8080\n"
      "  arcusctl run -d\n"
      "  arcusctl server list\n\n"
      "Try: arcusctl NOUN, arcusctl NOUN VERB --help, arcusctl help TOPIC with TOPIC one of\n ";
  for (const Topic& topic : topics()) out.append(" ").append(topic.name);
  return out + "\n";
}

std::string noun_help(const Noun& noun) {
  if (noun.bare()) return command_help(noun, noun.commands[0], "");
  std::string out = "arcusctl " + std::string{noun.name} + ": " + std::string{noun.summary} + "\n\n";
  for (const Command& command : noun.commands) {
    if (command.more.hidden) continue;
    two_columns(out, command.verb, command.summary, 18);
  }
  return out + "\nTry: arcusctl " + std::string{noun.name} + " VERB --help\n";
}

std::string command_help(const Noun& noun, const Command& command, std::string_view variant) {
  const std::string name = full_name(noun, command);
  const Variants* variants = command.more.variants;
  std::string out = "arcusctl " + name;
  if (!variant.empty()) out.append(" ").append(variant);
  out += ": " + std::string{variant.empty() ? command.summary : variants->summary(variant)} + "\n";
  if (!command.more.aliases.empty()) out += "Also: " + std::string{command.more.aliases} + "\n";
  if (!command.more.examples.empty()) out += "\nExamples:\n";
  for (const Example& example : command.more.examples)
    two_columns(out, example.command, example.what.empty() ? "" : "# " + std::string{example.what}, 58);
  out += "\nUsage: " + usage_line(noun, command, variant) + "\n";
  if (!command.more.details.empty()) out.append("\n").append(command.more.details).append("\n");
  const bool overview = variants != nullptr && variant.empty();
  if (overview) write_variants(out, *variants, name);
  write_arguments(out, overview ? std::vector<const ArgInfo*>(command.args.begin(), command.args.end())
                                : arguments_of(command, variant));
  write_group(out, "Flags, common", global::for_command(command));
  write_exit_codes(out, command);
  return out;
}

void unknown_noun(std::string_view word) {
  std::vector<std::string> words;
  for (const Noun* noun : nouns())
    if (noun->group != Group::hidden) words.emplace_back(noun->name);
  Error error{ErrorKind::usage, "no command '" + std::string{word} + "'"};
  if (auto near = nearest_word(word, words)) throw std::move(error).suggest(*near).with_hint("arcusctl help");
  throw std::move(error).with_hint("arcusctl help");
}

void unknown_verb(const Noun& noun, std::string_view word) {
  std::vector<std::string> words;
  for (const Command& command : noun.commands) {
    if (command.more.hidden) continue;
    words.emplace_back(command.verb);
    if (!command.more.aliases.empty())
      for (std::string& alias : split(command.more.aliases, ' ')) words.push_back(std::move(alias));
  }
  Error error{ErrorKind::usage, "no verb '" + std::string{word} + "' for '" + std::string{noun.name} + "'"};
  const std::string hint = "arcusctl " + std::string{noun.name};
  if (auto near = nearest_word(word, words))
    throw std::move(error).suggest(hint.substr(9) + " " + *near).with_hint(hint);
  throw std::move(error).with_hint(hint);
}

std::string help_about(const std::vector<std::string_view>& words) {
  if (words.empty()) return top_help();
  for (const Topic& topic : topics())
    if (topic.name == words[0]) return topic_help(topic);
  const Noun* noun = find_noun(words[0]);
  if (noun == nullptr) {
    std::vector<std::string> names;
    for (const Noun* known : nouns())
      if (known->group != Group::hidden) names.emplace_back(known->name);
    for (const Topic& topic : topics()) names.emplace_back(topic.name);
    Error error{ErrorKind::usage, "no command or topic '" + std::string{words[0]} + "'"};
    if (auto near = nearest_word(words[0], names)) throw std::move(error).suggest(*near);
    throw std::move(error).with_hint("arcusctl help");
  }
  if (words.size() == 1) return noun_help(*noun);
  const std::size_t verb_at = noun->bare() ? 0 : 1;
  const Command* command = noun->bare() ? &noun->commands[0] : find_command(*noun, words[verb_at]);
  if (command == nullptr) unknown_verb(*noun, words[1]);
  std::string_view variant;
  if (command->more.variants != nullptr && words.size() > verb_at + 1)
    variant = command->more.variants->canonical(words[verb_at + 1]);
  return command_help(*noun, *command, variant);
}

}  // namespace arcus::cli
