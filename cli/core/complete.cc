#include "cli/core/complete.h"

#include <algorithm>
#include <exception>

#include "cli/core/globals.h"
#include "cli/core/help.h"
#include "cli/core/parser.h"

namespace arcus::cli {
namespace {

bool takes_value(const ArgInfo& info) {
  return !info.positional() && info.type != ArgType::flag && !info.more.optional_value;
}

/// The option that `word` spells, of the command's own and the global ones.
const ArgInfo* option_named(const std::vector<const ArgInfo*>& known, std::string_view word) {
  for (const ArgInfo* info : known)
    if (!info->positional() &&
        (info->long_name() == word || (word.size() == 2 && word[1] == info->letter() && word[0] == '-')))
      return info;
  return nullptr;
}

std::vector<const ArgInfo*> known_options(const Cursor& cursor) {
  std::vector<const ArgInfo*> known;
  if (cursor.command != nullptr) known = arguments_of(*cursor.command, cursor.variant);
  const std::vector<const ArgInfo*> common =
      cursor.command != nullptr ? global::for_command(*cursor.command) : global::all();
  known.insert(known.end(), common.begin(), common.end());
  return known;
}

/// bash cuts words at `=` and `:`; they are put together again.  `cut` is what of the last word the shell
/// thinks stands before the cursor word.
std::vector<std::string> rejoined(const std::vector<std::string>& words, std::string& cut) {
  std::vector<std::string> out;
  bool open = false;
  for (const std::string& word : words) {
    const bool separator = word == "=" || word == ":";
    const bool last = &word == &words.back();
    if (!out.empty() && (separator || open)) {
      if (last) cut = separator ? out.back() + word : out.back();
      out.back() += word;
      open = separator;
    } else {
      out.push_back(word);
      open = false;
    }
  }
  return out;
}

/// Takes the words before the cursor; returns the option whose value the cursor word is, or nullptr.
const ArgInfo* read_words(Cursor& cursor, const std::vector<std::string>& words) {
  const ArgInfo* pending = nullptr;
  for (const std::string& word : words) {
    if (pending != nullptr) {
      if (pending == &global::db) cursor.db = word;
      if (pending == &global::tenant) cursor.tenant = word;
      pending = nullptr;
    } else if (word.size() > 1 && word[0] == '-') {
      const auto equals = word.find('=');
      const ArgInfo* info = option_named(known_options(cursor), word.substr(0, equals));
      if (info == nullptr || !takes_value(*info)) continue;
      if (equals == std::string::npos)
        pending = info;
      else if (info == &global::db)
        cursor.db = word.substr(equals + 1);
      else if (info == &global::tenant)
        cursor.tenant = word.substr(equals + 1);
    } else if (cursor.noun == nullptr) {
      cursor.noun = find_noun(word);
      if (cursor.noun != nullptr && cursor.noun->bare()) cursor.command = &cursor.noun->commands[0];
    } else if (cursor.command == nullptr) {
      cursor.command = find_command(*cursor.noun, word);
    } else {
      if (cursor.bare.empty() && cursor.command->more.variants != nullptr)
        cursor.variant = cursor.command->more.variants->canonical(word);
      cursor.bare.push_back(word);
    }
  }
  return pending;
}

std::vector<Candidate> option_names(const Cursor& cursor) {
  std::vector<Candidate> found;
  for (const ArgInfo* info : known_options(cursor)) {
    if (info->positional() || info->more.hidden) continue;
    found.push_back({std::string{info->long_name()}, std::string{info->help}});
    if (info->more.negatable)
      found.push_back({"--no-" + std::string{info->long_name().substr(2)}, std::string{info->help}});
  }
  return found;
}

/// The positional that the cursor word would become.
const ArgInfo* positional_at(const Cursor& cursor) {
  std::size_t index = cursor.bare.size();
  for (const ArgInfo* info : arguments_of(*cursor.command, cursor.variant)) {
    if (!info->positional()) continue;
    if (index == 0 || info->more.repeat) return info;
    --index;
  }
  return nullptr;
}

std::vector<Candidate> words_of(const Cursor& cursor) {
  std::vector<Candidate> found;
  if (cursor.noun == nullptr) {
    for (const Noun* noun : nouns())
      if (noun->group != Group::hidden)
        found.push_back({std::string{noun->name}, std::string{noun->summary}});
    return found;
  }
  for (const Command& command : cursor.noun->commands)
    if (!command.more.hidden) found.push_back({std::string{command.verb}, std::string{command.summary}});
  return found;
}

struct Answer {
  std::vector<Candidate> found;
  std::string_view directive = ":";
};

Answer answer_value(const ArgInfo& info, const Cursor& cursor) {
  if (info.more.complete == Source::file) return {{}, ":files"};
  if (info.more.complete == Source::directory) return {{}, ":dirs"};
  const bool assigns = info.more.complete == Source::server_key || info.more.complete == Source::tenant_key ||
                       info.more.complete == Source::user_key || info.more.complete == Source::setting;
  return {values_of(info, cursor), assigns ? ":nospace" : ":"};
}

Answer answer(Cursor& cursor, const ArgInfo* pending) {
  if (pending != nullptr) return answer_value(*pending, cursor);
  if (cursor.word.starts_with('-')) {
    const auto equals = cursor.word.find('=');
    if (equals == std::string::npos) return {option_names(cursor), ":"};
    const ArgInfo* info = option_named(known_options(cursor), cursor.word.substr(0, equals));
    if (info == nullptr) return {};
    Answer values = answer_value(*info, cursor);
    for (Candidate& candidate : values.found) candidate.word.insert(0, cursor.word.substr(0, equals + 1));
    return values;
  }
  if (cursor.command == nullptr) return {words_of(cursor), ":"};
  const ArgInfo* info = positional_at(cursor);
  return info == nullptr ? Answer{} : answer_value(*info, cursor);
}

}  // namespace

std::string completion(const std::vector<std::string>& words) {
  std::string cut;
  std::vector<std::string> whole = rejoined(words, cut);
  if (whole.empty()) whole.emplace_back();
  Cursor cursor;
  cursor.word = whole.back();
  whole.pop_back();
  const ArgInfo* pending = read_words(cursor, whole);
  const Answer result = answer(cursor, pending);
  std::string out;
  for (const Candidate& candidate : result.found) {
    if (!candidate.word.starts_with(cursor.word) || candidate.word.size() < cut.size()) continue;
    out.append(candidate.word.substr(cut.size())).append("\t").append(candidate.about).append("\n");
  }
  return out.append(result.directive).append("\n");
}

int complete(const std::vector<std::string>& argv) {
  const std::size_t first = argv.size() > 1 && argv[1] == "--" ? 2 : 1;
  try {
    Output output;
    output.raw(completion({argv.begin() + static_cast<std::ptrdiff_t>(first), argv.end()}));
    output.flush();
  } catch (const std::exception&) {
    return 0;  // a shell that completes wants no messages
  }
  return 0;
}

}  // namespace arcus::cli
