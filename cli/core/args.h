#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace arcus::cli {

/// What a value may look like; the parser refuses anything else before a command runs.
enum class ArgType : std::uint8_t { flag, text, integer, duration, size, rate };

/// Where completion finds the words for a value.
enum class Source : std::uint8_t {
  none,
  acl_rule,
  backend,
  cert,
  choices,
  columns,
  command,
  directory,
  file,
  lb,
  route,
  server,
  server_key,
  server_type,
  setting,
  setting_key,
  template_name,
  tenant,
  tenant_key,
  topic,
  user,
  user_key,
};

/// The rest of an argument's row; everything has a default.
struct ArgMore {
  bool required = false;
  bool repeat = false;             ///< may be given several times; a positional takes all words that are left
  bool negatable = false;          ///< a flag that also answers to --no-NAME
  bool hidden = false;             ///< works, but neither help nor completion name it
  bool optional_value = false;     ///< `--watch` alone is right too; the value then comes as `--watch=5s`
  std::string_view fallback = {};  ///< the value when nothing is given, as a person would type it
  std::string_view metavar = {};   ///< the word in help after the flag; default by type
  std::string_view group = {};     ///< heading in help: listen, limits, time, tls, upstream, ...
  std::string_view env = {};       ///< environment variable that stands in for the flag
  std::string_view choices = {};   ///< closed set, `none|basic|mtls`; checked, with the nearest word
  Source complete = Source::none;
  std::int64_t min = std::numeric_limits<std::int64_t>::min();
  std::int64_t max = std::numeric_limits<std::int64_t>::max();
};

/// One argument of a command: a positional (`NAME`) or an option (`--port`, `-f,--file`).  The object is the
/// key.
struct ArgInfo {
  std::string_view name;
  std::string_view help;
  ArgMore more;
  ArgType type = ArgType::text;

  [[nodiscard]] constexpr bool positional() const { return !name.starts_with('-'); }
  /// The long spelling with its dashes (`--file` of `-f,--file`); the word itself for a positional.
  [[nodiscard]] constexpr std::string_view long_name() const {
    const auto comma = name.find(',');
    return comma == std::string_view::npos ? name : name.substr(comma + 1);
  }
  /// The letter of `-f,--file`, or 0.
  [[nodiscard]] constexpr char letter() const {
    return name.size() >= 2 && name[0] == '-' && name[1] != '-' ? name[1] : '\0';
  }
};

/// Bytes, or bytes per second: `64KiB`, `10MB`, `10MiB/s`.
struct Size {};
/// Things per second: `100/s`, `100`.
struct Rate {};

template <class T>
struct ArgTraits;
template <>
struct ArgTraits<bool> {
  using Value = bool;
  static constexpr ArgType type = ArgType::flag;
};
template <>
struct ArgTraits<std::string_view> {
  using Value = std::string_view;
  static constexpr ArgType type = ArgType::text;
};
template <>
struct ArgTraits<std::int64_t> {
  using Value = std::int64_t;
  static constexpr ArgType type = ArgType::integer;
};
template <>
struct ArgTraits<std::chrono::milliseconds> {
  using Value = std::chrono::milliseconds;
  static constexpr ArgType type = ArgType::duration;
};
template <>
struct ArgTraits<Size> {
  using Value = std::int64_t;
  static constexpr ArgType type = ArgType::size;
};
template <>
struct ArgTraits<Rate> {
  using Value = std::int64_t;
  static constexpr ArgType type = ArgType::rate;
};
template <>
struct ArgTraits<std::vector<std::string_view>> {
  using Value = std::vector<std::string_view>;
  static constexpr ArgType type = ArgType::text;
};

/// An argument with the type its value has in `args[argument]`.
template <class T>
struct Arg : ArgInfo {
  constexpr Arg(std::string_view spelling, std::string_view about, ArgMore rest = {})
      : ArgInfo{spelling, about, rest, ArgTraits<T>::type} {
    if constexpr (std::is_same_v<T, std::vector<std::string_view>>) more.repeat = true;
  }
};

/// The list type of a command's arguments, both written down (`constexpr const ArgInfo* signature[]`) and
/// made at run time.
using ArgList = std::span<const ArgInfo* const>;

/// What the person gave, already checked against the rows.  Views stay valid as long as the Args.
class Args {
 public:
  struct Entry {
    const ArgInfo* info;
    std::vector<std::string> values;  ///< a flag has "true" or "false"
  };

  Args() = default;
  explicit Args(std::vector<Entry> given) : given_(std::move(given)) {}

  /// Whether it was given, by flag or environment; a fallback does not count.
  [[nodiscard]] bool has(const ArgInfo& info) const { return entry(info) != nullptr; }

  /// The value given, else the fallback, else zero, empty or false.
  template <class T>
  [[nodiscard]] typename ArgTraits<T>::Value operator[](const Arg<T>& arg) const {
    if constexpr (std::is_same_v<T, bool>)
      return text(arg) == "true";
    else if constexpr (std::is_same_v<T, std::string_view>)
      return text(arg);
    else if constexpr (std::is_same_v<T, std::vector<std::string_view>>)
      return list(arg);
    else if constexpr (std::is_same_v<T, std::chrono::milliseconds>)
      return std::chrono::milliseconds{number(arg)};
    else
      return number(arg);
  }

  /// The value only when it was given: nothing stands in for it.
  template <class T>
  [[nodiscard]] std::optional<typename ArgTraits<T>::Value> given(const Arg<T>& arg) const {
    if (!has(arg)) return std::nullopt;
    return (*this)[arg];
  }

  /// The last word given for `info`, else its fallback.
  [[nodiscard]] std::string_view text(const ArgInfo& info) const;
  /// All words given for `info`.
  [[nodiscard]] std::vector<std::string_view> list(const ArgInfo& info) const;
  /// `text` as the number its type says: milliseconds, bytes, per second.
  [[nodiscard]] std::int64_t number(const ArgInfo& info) const;

  /// Everything that was given, for commands whose arguments are made at run time.
  [[nodiscard]] std::span<const Entry> entries() const { return given_; }

 private:
  [[nodiscard]] const Entry* entry(const ArgInfo& info) const;
  std::vector<Entry> given_;
};

/// Turns `text` into the number `info.type` says.  Throws Error{usage} that names the argument and what is
/// allowed.
std::int64_t parse_number(const ArgInfo& info, std::string_view text);

/// Throws Error{usage} unless `text` is a value `info` accepts (type, range, choices, not empty).
void check_value(const ArgInfo& info, std::string_view text);

}  // namespace arcus::cli
