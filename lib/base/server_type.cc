#include "lib/base/server_type.h"

#include <algorithm>
#include <cassert>

#include "lib/base/text.h"
#include "lib/base/units.h"

namespace arcus {

std::string_view name_of(OptionSpec::Kind kind) noexcept {
  switch (kind) {
    case OptionSpec::Kind::text:
      return "text";
    case OptionSpec::Kind::integer:
      return "integer";
    case OptionSpec::Kind::boolean:
      return "boolean";
    case OptionSpec::Kind::duration_ms:
      return "duration";
    case OptionSpec::Kind::size:
      return "size";
    case OptionSpec::Kind::list:
      return "list";
  }
  return "text";
}

const ServerType* Catalog::find_type(std::string_view name) const {
  std::string word = to_lower(name);
  std::ranges::replace(word, '-', '_');
  if (word.ends_with("_proxy")) word.resize(word.size() - 6);
  for (const ServerType* type : server_types)
    if (type->name == word) return type;
  return nullptr;
}

/// The number that `value` means for a numeric option.
static std::optional<std::int64_t> read_number(OptionSpec::Kind kind, std::string_view value) {
  if (const auto plain = parse_integer(value)) return plain;
  if (kind == OptionSpec::Kind::size) return parse_size(value);
  if (kind != OptionSpec::Kind::duration_ms) return std::nullopt;
  const auto duration = parse_duration(value);
  if (!duration) return std::nullopt;
  return duration->count();
}

static std::string range_text(const OptionSpec& spec) {
  if (spec.max == 0) return "at least " + std::to_string(spec.min);
  return std::to_string(spec.min) + " to " + std::to_string(spec.max);
}

/// The words of a list. Commas and blanks separate; the marks of a JSON array do not count.
static std::vector<std::string> words_of(std::string plain) {
  std::ranges::replace_if(
      plain, [](char c) { return std::string_view{"[]\" "}.find(c) != std::string_view::npos; }, ',');
  std::vector<std::string> words = split(plain, ',');
  std::erase(words, "");
  return words;
}

/// True for a list of at least one word, each of them in `words`.
static bool is_list_of(std::string_view list, std::span<const std::string_view> words) {
  const std::vector<std::string> parts = words_of(std::string{list});
  return !parts.empty() && std::ranges::all_of(parts, [&](const std::string& part) {
    return std::ranges::find(words, part) != words.end();
  });
}

std::string check_option(const OptionSpec& spec, std::string_view value) {
  switch (spec.kind) {
    case OptionSpec::Kind::boolean:
      return value == "true" || value == "false" ? "" : "true or false";
    case OptionSpec::Kind::integer:
    case OptionSpec::Kind::duration_ms:
    case OptionSpec::Kind::size: {
      const auto number = read_number(spec.kind, value);
      if (!number) return spec.kind == OptionSpec::Kind::integer ? "a number" : "a number with a unit";
      return *number < spec.min || (spec.max != 0 && *number > spec.max) ? range_text(spec) : "";
    }
    case OptionSpec::Kind::text:
    case OptionSpec::Kind::list:
      break;
  }
  const bool is_list = spec.kind == OptionSpec::Kind::list;
  if (spec.words.empty() ||
      (is_list ? is_list_of(value, spec.words) : std::ranges::find(spec.words, value) != spec.words.end()))
    return {};
  std::string text = is_list ? "some of" : "one of";
  for (const std::string_view word : spec.words) (text += ' ') += word;
  return text;
}

std::string_view Options::text(std::string_view key) const {
  if (const auto found = values_.find(key); found != values_.end()) return found->second;
  for (const OptionSpec& spec : specs_)
    if (spec.key == key) return spec.fallback;
  assert(false && "an option that is in no table");
  return {};
}

std::int64_t Options::integer(std::string_view key) const {
  for (const OptionSpec& spec : specs_)
    if (spec.key == key) return read_number(spec.kind, text(key)).value_or(0);
  assert(false && "an option that is in no table");
  return 0;
}

bool Options::boolean(std::string_view key) const { return text(key) == "true"; }

std::vector<std::string> Options::list(std::string_view key) const { return words_of(to_lower(text(key))); }

}  // namespace arcus
