#pragma once

#include <string>
#include <string_view>

namespace arcus {

enum class LogLevel { error, warn, info, debug, trace };
enum class LogFormat { text, json, journal };

/// Where and how log lines go. Lines are written whole with one write(2); the descriptor stays the caller's.
struct LogSettings {
  int fd = 2;
  LogFormat format = LogFormat::text;
  std::string filter = "warn";  ///< "info" or "info,tls=debug,worker=trace", as ARCUS_LOG
};

/// Checks `filter`; returns a sentence about what is wrong with it, or "".
std::string check_log_filter(std::string_view filter);

/// Sets the process-wide settings. Throws Error (usage) on a bad filter. Not for use beside concurrent
/// logging threads, except set_log_fd, which is safe at any time.
void set_log(const LogSettings& settings);
void set_log_fd(int fd) noexcept;

/// Names the module and the object a line is about; cheap to copy.
class Logger {
 public:
  explicit Logger(std::string_view module, std::string object = {});

  bool enabled(LogLevel level) const noexcept;
  /// One line: `event` is a fixed text; `fields` is "key=value key=value", values with blanks in double
  /// quotes (see field()).
  void log(LogLevel level, std::string_view event, std::string_view fields = {}) const;
  void error(std::string_view event, std::string_view fields = {}) const {
    log(LogLevel::error, event, fields);
  }
  void warn(std::string_view event, std::string_view fields = {}) const {
    log(LogLevel::warn, event, fields);
  }
  void info(std::string_view event, std::string_view fields = {}) const {
    log(LogLevel::info, event, fields);
  }
  void debug(std::string_view event, std::string_view fields = {}) const {
    log(LogLevel::debug, event, fields);
  }

 private:
  std::string_view module_;  ///< must outlive the logger: pass a literal
  std::string object_;
};

/// " key=value" with the value escaped and cut at 256 bytes; append several to make `fields`.
std::string field(std::string_view key, std::string_view value);
std::string field(std::string_view key, long long value);

}  // namespace arcus
