#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/core/command.h"

namespace arcus::cli {

/// `arcusctl help`: at most 24 lines.
std::string top_help();
/// `arcusctl NOUN`.
std::string noun_help(const Noun& noun);
/// `arcusctl NOUN VERB --help`; `variant` is `http` of `server add http`, or "".
std::string command_help(const Noun& noun, const Command& command, std::string_view variant);
/// The whole command table as JSON: what completion, manual tests and other programs read.
std::string help_json();

/// A page of `arcusctl help TOPIC`.
struct Topic {
  std::string_view name;
  std::string_view summary;
  std::string_view text;  ///< empty: made from a table (exit-codes)
};

/// All topics in the order of the top-level help.
std::span<const Topic> topics() noexcept;
/// The text of `topic`.
std::string topic_help(const Topic& topic);

/// `arcusctl help [WORDS]`: a noun, a noun and a verb, or a topic.  Throws Error{usage} with the nearest
/// word.
std::string help_about(const std::vector<std::string_view>& words);

/// `--port N`, `-f, --file PATH`, `NAME`: an argument as help shows it.
std::string spelling(const ArgInfo& info);
/// The word for a value: the metavar, else by type.
std::string_view value_word(const ArgInfo& info);

/// Throws Error{usage}: no such noun, with the nearest one.
[[noreturn]] void unknown_noun(std::string_view word);
/// Throws Error{usage}: no such verb of `noun`, with the nearest one.
[[noreturn]] void unknown_verb(const Noun& noun, std::string_view word);

}  // namespace arcus::cli
