#include <array>
#include <charconv>
#include <cmath>
#include <ctime>

#include "cli/core/output.h"
#include "lib/base/text.h"
#include "lib/base/time.h"
#include "lib/base/units.h"

namespace arcus::cli {
namespace {

std::string real_text(double number) {
  if (!std::isfinite(number)) return "";
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

/// Fixed decimals, for people.
std::string fixed_text(double number, int decimals) {
  std::array<char, 64> buffer{};
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), number, std::chars_format::fixed, decimals);
  return {buffer.data(), result.ptr};
}

/// Milliseconds below a second keep two digits: 0.42ms, 8.4ms, 310ms; above they read as a duration.
std::string ms_text(double ms) {
  if (ms >= 1000 || ms == std::floor(ms)) return duration_text(std::chrono::milliseconds{std::llround(ms)});
  return fixed_text(ms, ms < 1 ? 2 : ms < 100 ? 1 : 0) + "ms";
}

std::string local_text(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  std::array<char, 40> buffer{};
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S%z", &parts)};
}

std::string time_text(const std::string& text, TimeStyle style) {
  const auto time = parse_time(text);
  if (!time || style == TimeStyle::iso) return text;
  if (style == TimeStyle::local) return local_text(*time);
  const auto age = wall_now() - *time;
  return age.count() < 0 ? "+" + age_text(-age) : age_text(age);
}

std::string number_text(double number, bool whole, Unit unit) {
  switch (unit) {
    case Unit::bytes:
      return size_text(std::llround(number));
    case Unit::per_second:
      return fixed_text(number, number < 100 ? 1 : 0);
    case Unit::ms:
      return ms_text(number);
    case Unit::text:
    case Unit::count:
    case Unit::time:
    case Unit::age:
    case Unit::status:
    case Unit::flag:
    case Unit::prose:
    case Unit::json:
      break;
  }
  return whole ? std::to_string(std::llround(number)) : fixed_text(number, 2);
}

struct ScreenText {
  Unit unit;
  TimeStyle style;

  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool flag) const { return flag ? "yes" : "no"; }
  std::string operator()(std::int64_t number) const {
    return number_text(static_cast<double>(number), true, unit);
  }
  std::string operator()(double number) const { return number_text(number, false, unit); }
  std::string operator()(const JsonText& json) const {
    return json.text == "{}" || json.text == "[]" ? "" : json.text;
  }
  std::string operator()(const std::string& text) const {
    if (unit == Unit::time) return time_text(text, style);
    if (unit == Unit::age) return time_text(text, TimeStyle::relative);
    return text;
  }
};

struct PlainText {
  std::string operator()(std::monostate) const { return ""; }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(double number) const { return real_text(number); }
  std::string operator()(const std::string& text) const { return text; }
  std::string operator()(const JsonText& json) const { return json.text; }
};

}  // namespace

std::string screen_text(const Cell& cell, Unit unit, TimeStyle style) {
  std::string text = cell.shown.empty() ? std::visit(ScreenText{unit, style}, cell.value) : cell.shown;
  if (text.empty()) return "-";
  text = escape_terminal(text);
  if (unit != Unit::prose)
    for (char& c : text)
      if (c == ' ') c = '_';
  return text;
}

std::string plain_text(const Cell& cell) { return std::visit(PlainText{}, cell.value); }

}  // namespace arcus::cli
