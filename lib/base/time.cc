#include "lib/base/time.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace arcus {

using std::chrono::milliseconds;

WallTime wall_now() noexcept { return std::chrono::floor<milliseconds>(std::chrono::system_clock::now()); }

std::string to_text(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 40> out{};
  const int size =
      std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", int{date.year()},
                    unsigned{date.month()}, unsigned{date.day()}, static_cast<int>(clock.hours().count()),
                    static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()),
                    static_cast<int>(clock.subseconds().count()));
  return {out.data(), static_cast<std::size_t>(size)};
}

std::string now_text() { return to_text(wall_now()); }

/// The number in `text[at, at + size)`, or -1 when it is not all digits.
static int digits(std::string_view text, std::size_t at, std::size_t size) noexcept {
  int value = 0;
  for (const char c : text.substr(at, size)) {
    if (c < '0' || c > '9') return -1;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::optional<WallTime> parse_time(std::string_view text) noexcept {
  constexpr std::string_view shape = "0000-00-00T00:00:00.000Z";
  if (text.size() != shape.size()) return std::nullopt;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (shape[i] != '0' && text[i] != shape[i]) return std::nullopt;
  const int year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
  const int hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  const int fraction = digits(text, 20, 3);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || minute < 0 || second < 0 || fraction < 0)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || hour > 23 || minute > 59 || second > 59) return std::nullopt;
  return std::chrono::sys_days{date} + std::chrono::hours{hour} + std::chrono::minutes{minute} +
         std::chrono::seconds{second} + milliseconds{fraction};
}

std::string age_text(milliseconds age) {
  const std::int64_t s = age.count() < 0 ? 0 : age.count() / 1000;
  std::array<char, 32> out{};
  int size = 0;
  if (s < 60)
    size = std::snprintf(out.data(), out.size(), "%llds", static_cast<long long>(s));
  else if (s < 3600)
    size = std::snprintf(out.data(), out.size(), "%lldm%02llds", static_cast<long long>(s / 60),
                         static_cast<long long>(s % 60));
  else if (s < 86'400)
    size = std::snprintf(out.data(), out.size(), "%lldh%02lldm", static_cast<long long>(s / 3600),
                         static_cast<long long>(s / 60 % 60));
  else
    size = std::snprintf(out.data(), out.size(), "%lldd%02lldh", static_cast<long long>(s / 86'400),
                         static_cast<long long>(s / 3600 % 24));
  return {out.data(), static_cast<std::size_t>(size)};
}

}  // namespace arcus
