#include "lib/base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <map>
#include <optional>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

namespace arcus {

static constexpr std::array<std::string_view, 5> level_names{"error", "warn", "info", "debug", "trace"};
static constexpr std::array<int, 5> journal_priority{3, 4, 6, 7, 7};

namespace {
struct State {
  std::atomic<int> fd{2};
  LogFormat format = LogFormat::text;
  LogLevel level = LogLevel::warn;
  std::map<std::string, LogLevel, std::less<>> modules;
};
}  // namespace

static State& state() {
  static State instance;
  return instance;
}

static std::optional<LogLevel> parse_level(std::string_view text) {
  for (std::size_t i = 0; i < level_names.size(); ++i)
    if (level_names[i] == text) return static_cast<LogLevel>(i);
  return std::nullopt;
}

std::string check_log_filter(std::string_view filter) {
  for (const std::string& part : split(filter, ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view level =
        equals == std::string::npos ? std::string_view{part} : std::string_view{part}.substr(equals + 1);
    if (!parse_level(level))
      return "log level '" + std::string{level} + "' is none of error warn info debug trace";
  }
  return {};
}

void set_log(const LogSettings& settings) {
  if (const std::string problem = check_log_filter(settings.filter); !problem.empty())
    throw Error(ErrorKind::usage, problem);
  State& s = state();
  s.fd = settings.fd;
  s.format = settings.format;
  s.modules.clear();
  for (const std::string& part : split(settings.filter, ',')) {
    const std::size_t equals = part.find('=');
    if (equals == std::string::npos)
      s.level = *parse_level(part);
    else
      s.modules[part.substr(0, equals)] = *parse_level(std::string_view{part}.substr(equals + 1));
  }
}

void set_log_fd(int fd) noexcept { state().fd = fd; }

Logger::Logger(std::string_view module, std::string object) : module_(module), object_(std::move(object)) {}

bool Logger::enabled(LogLevel level) const noexcept {
  const State& s = state();
  const auto found = s.modules.find(module_);
  return level <= (found == s.modules.end() ? s.level : found->second);
}

static std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "\\u%04x", byte);
      out += hex.data();
    } else {
      out += c;
    }
  }
  return out + "\"";
}

void Logger::log(LogLevel level, std::string_view event, std::string_view fields) const {
  if (!enabled(level)) return;
  const State& s = state();
  const auto number = static_cast<std::size_t>(level);
  fields = trim(fields);
  std::string line;
  if (s.format == LogFormat::json) {
    line = "{\"at\":\"" + now_text() + "\",\"level\":\"" + std::string{level_names[number]} +
           "\",\"module\":" + json_string(module_) + ",\"event\":" + json_string(event);
    if (!object_.empty()) line += ",\"object\":" + json_string(object_);
    if (!fields.empty()) line += ",\"fields\":" + json_string(fields);
    line += "}";
  } else {
    line = s.format == LogFormat::journal ? "<" + std::to_string(journal_priority[number]) + ">"
                                          : now_text() + " ";
    if (s.format == LogFormat::text) (line += level_names[number]) += " ";
    (line += module_) += ": ";
    line += event;
    if (!object_.empty()) line += " object=" + object_;
    if (!fields.empty()) (line += " ") += fields;
  }
  line += "\n";
  // A log that cannot be written must not stop the program that writes it.
  [[maybe_unused]] const ssize_t written =
      ::write(s.fd.load(std::memory_order_relaxed), line.data(), line.size());
}

std::string field(std::string_view key, std::string_view value) {
  std::string text = escape_terminal(value.substr(0, 256));
  const bool quoted = text.empty() || text.find_first_of(" \"=") != std::string::npos;
  std::string out = " ";
  (out += key) += "=";
  if (!quoted) return out + text;
  out += "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string field(std::string_view key, long long value) { return field(key, std::to_string(value)); }

}  // namespace arcus
