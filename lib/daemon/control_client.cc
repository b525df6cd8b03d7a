#include "lib/daemon/control_client.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "lib/base/error.h"
#include "lib/base/unique_fd.h"
#include "lib/daemon/paths.h"

namespace arcus::daemon {

using std::chrono::steady_clock;

static UniqueFd connect_to(const std::filesystem::path& path) {
  sockaddr_un address{};
  if (path.native().size() > max_socket_path) throw Error{ErrorKind::no_daemon, "no daemon runs"};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (!fd) throw system_error("cannot make a socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno == EACCES || errno == EPERM) throw system_error("control socket '" + path.string() + "'", errno);
  throw Error{ErrorKind::no_daemon, "no daemon answers at '" + path.string() + "'"}.with_hint(
      "arcusctl run -d");
}

static void send_line(int fd, std::string line) {
  line += '\n';
  if (::send(fd, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
    throw Error{ErrorKind::no_daemon, "the daemon closed the control socket"};
}

static std::string read_line(int fd, steady_clock::time_point deadline) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (;;) {
    if (const auto end = text.find('\n'); end != std::string::npos) return text.substr(0, end);
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now());
    pollfd waiting{.fd = fd, .events = POLLIN, .revents = 0};
    const int ready = left.count() > 0 ? ::poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) throw Error{ErrorKind::timeout, "the daemon did not answer in time"};
    const ssize_t n = ::recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) throw Error{ErrorKind::no_daemon, "the daemon closed the control socket"};
    text.append(buffer.data(), static_cast<std::size_t>(n));
  }
}

static std::string request_line(std::string_view command,
                                const std::map<std::string, std::string>& arguments) {
  nlohmann::json request = arguments;
  request["id"] = 1;
  request["cmd"] = command;
  return request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string control_call(const std::filesystem::path& socket, std::string_view command,
                         const std::map<std::string, std::string>& arguments,
                         std::chrono::milliseconds timeout) {
  const auto deadline = steady_clock::now() + timeout;
  const UniqueFd fd = connect_to(socket);
  send_line(fd.get(), request_line(command, arguments));
  const auto answer = nlohmann::json::parse(read_line(fd.get(), deadline), nullptr, false);
  if (!answer.is_object()) throw Error{ErrorKind::failed, "the daemon's answer is not JSON"};
  if (!answer.value("ok", false)) throw Error{ErrorKind::failed, answer.value("error", "the daemon refused")};
  return answer.contains("result") ? answer["result"].dump() : "null";
}

bool wake_daemon(const std::filesystem::path& db) noexcept {
  try {
    const UniqueFd fd = connect_to(paths_for(db).socket);
    send_line(fd.get(), request_line("wake", {}));
    return true;
  } catch (const std::exception&) {
    return false;  // the daemon looks by itself five times a second
  }
}

}  // namespace arcus::daemon
