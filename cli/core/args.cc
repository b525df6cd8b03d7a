#include "cli/core/args.h"

#include <algorithm>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/units.h"

namespace arcus::cli {

const Args::Entry* Args::entry(const ArgInfo& info) const {
  const auto found = std::ranges::find(given_, &info, &Entry::info);
  return found == given_.end() ? nullptr : &*found;
}

std::string_view Args::text(const ArgInfo& info) const {
  const Entry* found = entry(info);
  if (found == nullptr || found->values.empty()) return info.more.fallback;
  return found->values.back();
}

std::vector<std::string_view> Args::list(const ArgInfo& info) const {
  const Entry* found = entry(info);
  if (found != nullptr) return {found->values.begin(), found->values.end()};
  if (info.more.fallback.empty()) return {};
  return {info.more.fallback};
}

std::int64_t Args::number(const ArgInfo& info) const {
  const std::string_view word = text(info);
  return word.empty() ? 0 : parse_number(info, word);
}

static std::optional<std::int64_t> read_number(ArgType type, std::string_view text) {
  switch (type) {
    case ArgType::integer:
      return parse_integer(text);
    case ArgType::size:
      return parse_size_rate(text);
    case ArgType::rate:
      return parse_rate(text);
    case ArgType::duration:
      if (const auto duration = parse_duration(text)) return duration->count();
      return std::nullopt;
    case ArgType::flag:
    case ArgType::text:
      break;
  }
  return std::nullopt;
}

static std::string_view expectation(ArgType type) {
  switch (type) {
    case ArgType::integer:
      return "a decimal number";
    case ArgType::size:
      return "a size like 64KiB or 10MB";
    case ArgType::rate:
      return "a rate like 100/s";
    case ArgType::duration:
      return "a duration like 500ms, 30s, 5m or 1h";
    case ArgType::flag:
      return "true or false";
    case ArgType::text:
      break;
  }
  return "a text";
}

static Error bad_value(const ArgInfo& info, std::string_view text, std::string_view why) {
  return Error{ErrorKind::usage,
               std::string{info.long_name()} + ": '" + std::string{text} + "' is not " + std::string{why}};
}

static std::string bounds_text(const ArgMore& more) {
  constexpr std::int64_t none = std::numeric_limits<std::int64_t>::max();
  if (more.max == none) return "at least " + std::to_string(more.min);
  if (more.min == std::numeric_limits<std::int64_t>::min()) return "at most " + std::to_string(more.max);
  return std::to_string(more.min) + " to " + std::to_string(more.max);
}

std::int64_t parse_number(const ArgInfo& info, std::string_view text) {
  const auto number = read_number(info.type, text);
  if (!number) throw bad_value(info, text, expectation(info.type));
  if (*number < info.more.min || *number > info.more.max) throw bad_value(info, text, bounds_text(info.more));
  return *number;
}

static void check_choice(const ArgInfo& info, std::string_view text) {
  const std::vector<std::string> words = split(info.more.choices, '|');
  if (std::ranges::find(words, text) != words.end()) return;
  Error error = bad_value(info, text, "one of " + join(words, ", "));
  if (auto near = nearest_word(text, words)) throw std::move(error).suggest(std::move(*near));
  throw std::move(error);
}

void check_value(const ArgInfo& info, std::string_view text) {
  if (text.empty())
    throw Error{ErrorKind::usage, std::string{info.long_name()} + ": an empty value says nothing"};
  if (!info.more.choices.empty()) return check_choice(info, text);
  if (info.type == ArgType::text) return;
  if (info.type == ArgType::flag) {
    if (text != "true" && text != "false") throw bad_value(info, text, expectation(info.type));
    return;
  }
  parse_number(info, text);
}

}  // namespace arcus::cli
