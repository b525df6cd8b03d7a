#include "lib/daemon/notify.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "lib/base/unique_fd.h"

namespace arcus::daemon {

static std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string out = value ? value : "";
  ::unsetenv(name);
  return out;
}

Notifier Notifier::from_environment() {
  std::optional<std::chrono::microseconds> watchdog;
  const std::string usec = take_variable("WATCHDOG_USEC");
  const std::string pid = take_variable("WATCHDOG_PID");
  const long long value = std::strtoll(usec.c_str(), nullptr, 10);
  if (value > 0 && (pid.empty() || pid == std::to_string(::getpid())))
    watchdog = std::chrono::microseconds{value};
  return Notifier{take_variable("NOTIFY_SOCKET"), watchdog};
}

Notifier::Notifier(std::string socket_path, std::optional<std::chrono::microseconds> watchdog)
    : socket_path_{std::move(socket_path)}, watchdog_{watchdog} {}

void Notifier::ready(std::string_view status) const {
  send("READY=1\nSTATUS=" + std::string{status} + "\nMAINPID=" + std::to_string(::getpid()));
}

void Notifier::status(std::string_view text) const { send("STATUS=" + std::string{text}); }

void Notifier::reloading() const {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const long long usec = static_cast<long long>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1'000;
  send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(usec));
}

void Notifier::stopping() const { send("STOPPING=1"); }

void Notifier::watchdog() const { send("WATCHDOG=1"); }

std::optional<std::chrono::milliseconds> Notifier::watchdog_interval() const {
  if (!watchdog_ || socket_path_.empty()) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(*watchdog_ / 2);
}

void Notifier::send(std::string_view message) const {
  sockaddr_un address{};
  if (socket_path_.empty() || socket_path_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, socket_path_.data(), socket_path_.size());
  if (socket_path_.front() == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_path_.size());
  const UniqueFd fd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  // A manager that does not listen must not stop the service: the answer is not looked at.
  if (fd)
    (void)::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL,
                   reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace arcus::daemon
