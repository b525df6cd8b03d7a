#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cli/doctor_checks.h"
#include "lib/base/error.h"
#include "lib/base/time.h"
#include "lib/base/unique_fd.h"
#include "lib/registry/observed.h"

namespace arcus::cli::doctor {

static constexpr std::chrono::seconds silence_bound{30};

Findings look_at_lock(const Patient& patient) {
  if (patient.holder)
    return {{State::ok, "pid " + std::to_string(patient.holder->pid) + ", version " +
                            patient.holder->version + ", since " + patient.holder->started_at}};
  const std::size_t waiting = patient.wanted_running();
  if (waiting == 0) return {{State::skip, "no daemon, and nothing wants to run"}};
  return {{State::warn,
           "no daemon: " + std::to_string(waiting) + (waiting == 1 ? " server waits" : " servers wait"),
           "arcusctl run -d"}};
}

Findings look_at_heartbeat(const Patient& patient) {
  if (!patient.holder) return {{State::skip, "no daemon"}};
  const auto row = registry::find_daemon(*patient.db);
  const auto beat = row ? parse_time(row->heartbeat_at) : std::nullopt;
  if (!beat) return {{State::error, "the daemon has not reported yet", "arcusctl daemon status"}};
  const auto age = wall_now() - *beat;
  const std::string ago = age_text(std::chrono::duration_cast<std::chrono::milliseconds>(age)) + " ago";
  if (age <= silence_bound) return {{State::ok, "last heartbeat " + ago}};
  return {
      {State::error, "the daemon hangs or cannot write: last heartbeat " + ago, "arcusctl daemon restart"}};
}

static bool answers(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return false;
  std::memcpy(address.sun_path, path.data(), path.size());
  const UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

static bool is_socket(const std::string& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

Findings look_at_socket(const Patient& patient) {
  const std::string path = patient.paths.socket.string();
  if (patient.holder && answers(path)) return {{State::ok, path}};
  if (patient.holder)
    return {{State::error, path + " does not answer: it is made again within 10 s, changes work meanwhile",
             "arcusctl daemon status"}};
  if (is_socket(path))
    return {{State::warn, path + " is left over from a daemon that died", "arcusctl doctor --fix"}};
  return {{State::skip, "no daemon"}};
}

std::vector<std::string> remove_stale_socket(Patient& patient) {
  const std::string path = patient.paths.socket.string();
  if (patient.holder || !is_socket(path) || answers(path)) return {};
  if (::unlink(path.c_str()) != 0) throw system_error("cannot remove '" + path + "'", errno);
  return {"removed " + path};
}

Findings look_at_version(const Patient& patient) {
  if (!patient.holder) return {{State::skip, "no daemon"}};
  if (patient.holder->version == ARCUS_VERSION)
    return {{State::ok, "the daemon is of this version, " ARCUS_VERSION}};
  return {{State::warn, "the daemon is version " + patient.holder->version + ", this program " ARCUS_VERSION,
           "arcusctl daemon restart"}};
}

}  // namespace arcus::cli::doctor
