#include "cli/core/scan.h"

#include "cli/core/globals.h"
#include "lib/base/units.h"

namespace arcus::cli {
namespace {

bool takes_value(const ArgInfo& info) { return info.type != ArgType::flag && !info.more.optional_value; }

/// Whether the global option `word` takes its value from the next word.
bool takes_next(std::string_view word) {
  const bool is_long = word.starts_with("--");
  if (is_long && word.find('=') != std::string_view::npos) return false;
  for (const ArgInfo* info : global::all()) {
    if (!takes_value(*info)) continue;
    if (is_long && info->long_name() == word) return true;
    if (is_long || info->letter() == 0) continue;
    // The last letter of a cluster like -qo may take a value.
    if (word.back() == info->letter() && (word.size() == 2 || word.find(info->letter()) == word.size() - 1))
      return true;
  }
  return false;
}

/// `-w 5s` becomes `--watch=5s`, because its value may also be left out.
void join_watch(std::vector<std::string>& argv) {
  for (std::size_t i = 0; i < argv.size(); ++i) {
    if (argv[i] == "--") return;
    if (argv[i] != "-w" && argv[i] != "--watch") continue;
    if (i + 1 < argv.size() && argv[i + 1].find_first_not_of("0123456789") != std::string::npos &&
        parse_duration(argv[i + 1])) {
      argv[i] = "--watch=" + argv[i + 1];
      argv.erase(argv.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
  }
}

bool is_json(std::string_view format) { return format == "json" || format == "jsonl"; }

/// Whether errors are to be JSON, found before anything is known to be right.
bool wants_json(const std::vector<std::string>& argv) {
  bool json = is_json(global::environment("ARCUS_OUTPUT"));
  for (std::size_t i = 0; i < argv.size(); ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    if ((word == "-o" || word == "--output" || word == "-qo") && i + 1 < argv.size())
      json = is_json(argv[i + 1]);
    if (word.starts_with("--output=")) json = is_json(word.substr(9));
    if (word.starts_with("-o") && word.size() > 2) json = is_json(word.substr(2));
  }
  return json;
}

}  // namespace

Scan scan(std::vector<std::string> argv) {
  Scan found;
  found.json = wants_json(argv);
  join_watch(argv);
  bool options = true;  // until `--`
  bool value = false;   // the word belongs to the option before it
  for (std::string& word : argv) {
    const bool is_option = options && !value && word.size() > 1 && word[0] == '-';
    if (is_option && word == "--") options = false;
    if (is_option && (word == "-h" || word == "--help")) found.help = true;
    if (is_option && word == "--version" && found.noun_word.empty()) found.version = true;
    const bool bare = !is_option && !value && options;
    if (bare && found.noun_word.empty()) {
      found.noun_word = word;
      found.noun = find_noun(word);
      if (found.noun != nullptr && found.noun->bare()) found.command = &found.noun->commands[0];
      continue;
    }
    if (bare && found.noun != nullptr && !found.noun->bare() && found.verb_word.empty()) {
      found.verb_word = word;
      found.command = find_command(*found.noun, word);
      continue;
    }
    // Once the command is known its own options may take values too: the parser decides about those.
    value = is_option && found.command == nullptr && takes_next(word);
    found.words.push_back(std::move(word));
  }
  return found;
}

}  // namespace arcus::cli
