#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace arcus::daemon {

/// Speaks to the service manager named by `$NOTIFY_SOCKET`; silent when there is none.
class Notifier {
 public:
  /// Reads `$NOTIFY_SOCKET` and `$WATCHDOG_USEC` and removes them, so that no child answers in our name.
  static Notifier from_environment();

  /// `socket_path` as systemd gives it: a path, or an abstract name that begins with '@'.
  explicit Notifier(std::string socket_path = {}, std::optional<std::chrono::microseconds> watchdog = {});

  void ready(std::string_view status) const;
  void status(std::string_view text) const;
  void reloading() const;
  void stopping() const;
  void watchdog() const;

  /// How often `watchdog()` is to be called: half of what the manager allows; nullopt when it does not ask.
  std::optional<std::chrono::milliseconds> watchdog_interval() const;

 private:
  void send(std::string_view message) const;

  std::string socket_path_;
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace arcus::daemon
