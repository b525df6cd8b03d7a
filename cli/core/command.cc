#include "cli/core/command.h"

#include <algorithm>

namespace arcus::cli {

/// Whether `word` is one of the words of `aliases`, which spaces separate.
static bool has_word(std::string_view aliases, std::string_view word) noexcept {
  while (!aliases.empty()) {
    const auto space = aliases.find(' ');
    if (aliases.substr(0, space) == word) return true;
    if (space == std::string_view::npos) return false;
    aliases.remove_prefix(space + 1);
  }
  return false;
}

const Noun* find_noun(std::string_view word) noexcept {
  if (word.empty()) return nullptr;
  for (const Noun* noun : nouns())
    if (noun->name == word || has_word(noun->aliases, word)) return noun;
  return nullptr;
}

const Command* find_command(const Noun& noun, std::string_view word) noexcept {
  for (const Command& command : noun.commands)
    if (command.verb == word || (!word.empty() && has_word(command.more.aliases, word))) return &command;
  return nullptr;
}

std::string full_name(const Noun& noun, const Command& command) {
  std::string name{noun.name};
  if (!command.verb.empty()) name.append(" ").append(command.verb);
  return name;
}

}  // namespace arcus::cli
