#include "lib/base/units.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <limits>

namespace arcus {

using std::chrono::milliseconds;

std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  if (text[0] == '-' && (text.size() == 1 || text[1] == '0')) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Splits "10MiB" into 10 and "MiB"; the number may not be negative.
static std::optional<std::int64_t> leading_number(std::string_view& text) noexcept {
  std::size_t size = 0;
  while (size < text.size() && text[size] >= '0' && text[size] <= '9') ++size;
  const auto value = parse_integer(text.substr(0, size));
  if (value) text.remove_prefix(size);
  return value;
}

static std::optional<std::int64_t> multiply(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

struct Unit {
  std::string_view name;
  std::int64_t factor;
};

static constexpr std::array<Unit, 5> time_units{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};

std::optional<milliseconds> parse_duration(std::string_view text) noexcept {
  if (text == "0") return milliseconds{0};
  std::int64_t total = 0;
  std::int64_t smallest = std::numeric_limits<std::int64_t>::max();
  while (!text.empty()) {
    const auto number = leading_number(text);
    if (!number) return std::nullopt;
    std::size_t size = 0;
    while (size < text.size() && (text[size] < '0' || text[size] > '9')) ++size;
    const Unit* found = nullptr;
    for (const Unit& unit : time_units)
      if (unit.name == text.substr(0, size)) found = &unit;
    if (!found || found->factor >= smallest) return std::nullopt;
    const auto part = multiply(*number, found->factor);
    if (!part || __builtin_add_overflow(total, *part, &total)) return std::nullopt;
    smallest = found->factor;
    text.remove_prefix(size);
  }
  if (smallest == std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return milliseconds{total};
}

std::string duration_text(milliseconds value) {
  std::int64_t rest = value.count();
  if (rest == 0) return "0";
  std::string text;
  if (rest < 0) {
    text = "-";
    rest = -rest;
  }
  for (const Unit& unit : time_units) {
    if (rest < unit.factor) continue;
    text += std::to_string(rest / unit.factor);
    text += unit.name;
    rest %= unit.factor;
  }
  return text;
}

static constexpr std::array<Unit, 13> size_units{{{"", 1},
                                                  {"B", 1},
                                                  {"K", 1LL << 10},
                                                  {"KiB", 1LL << 10},
                                                  {"KB", 1000},
                                                  {"kB", 1000},
                                                  {"M", 1LL << 20},
                                                  {"MiB", 1LL << 20},
                                                  {"MB", 1'000'000},
                                                  {"G", 1LL << 30},
                                                  {"GiB", 1LL << 30},
                                                  {"GB", 1'000'000'000},
                                                  {"TiB", 1LL << 40}}};

std::optional<std::int64_t> parse_size(std::string_view text) noexcept {
  const auto number = leading_number(text);
  if (!number) return std::nullopt;
  for (const Unit& unit : size_units)
    if (unit.name == text) return multiply(*number, unit.factor);
  return std::nullopt;
}

static std::string_view without_per_second(std::string_view text) noexcept {
  if (text.ends_with("/s")) text.remove_suffix(2);
  return text;
}

std::optional<std::int64_t> parse_size_rate(std::string_view text) noexcept {
  return parse_size(without_per_second(text));
}

std::optional<std::int64_t> parse_rate(std::string_view text) noexcept {
  const auto value = parse_integer(without_per_second(text));
  return value && *value >= 0 ? value : std::nullopt;
}

std::string size_text(std::int64_t bytes) {
  constexpr std::string_view letters = "KMGTPE";
  if (bytes < 1024) return std::to_string(bytes);
  double value = static_cast<double>(bytes);
  std::size_t power = 0;
  while (value >= 1024 && power < letters.size()) {
    value /= 1024;
    ++power;
  }
  std::array<char, 32> out{};
  const int size =
      std::snprintf(out.data(), out.size(), value < 9.95 ? "%.1f%c" : "%.0f%c", value, letters[power - 1]);
  return {out.data(), static_cast<std::size_t>(size)};
}

std::string count_text(std::int64_t count) {
  std::string text = std::to_string(count);
  const std::size_t first = text[0] == '-' ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3; at -= 3) text.insert(at - 3, 1, ',');
  return text;
}

}  // namespace arcus
