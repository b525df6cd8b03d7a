#include "lib/daemon/access_logs.h"

#include <fcntl.h>
#include <unistd.h>

#include "lib/base/error.h"
#include "lib/base/log.h"
#include "lib/base/text.h"
#include "lib/daemon/detach.h"

namespace arcus::daemon {

AccessLogs::AccessLogs(Paths paths, bool to_stdout) : paths_{std::move(paths)}, to_stdout_{to_stdout} {}

UniqueFd AccessLogs::open(std::string_view tenant_name) {
  if (to_stdout_) return UniqueFd{::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0)};
  if (!is_name(tenant_name)) return UniqueFd{};  // a hand edit must not choose a path
  try {
    return open_log(paths_.access_log(tenant_name));
  } catch (const Error& error) {
    Logger{"logs"}.error("no access log", field("tenant", tenant_name) + field("error", error.what()));
    return UniqueFd{};
  }
}

}  // namespace arcus::daemon
