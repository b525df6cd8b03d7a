#pragma once

#include <string>
#include <string_view>

#include "lib/base/unique_fd.h"
#include "lib/daemon/paths.h"

namespace arcus::daemon {

/// Opens the tenants' access logs for the workers.
class AccessLogs {
 public:
  /// Logs go to `<log_dir>/<tenant>/access.log`; to stdout instead when `to_stdout` (see `serve`).
  explicit AccessLogs(Paths paths, bool to_stdout = false);

  /// A descriptor that appends; empty when the file cannot be opened (that is logged): records are then off.
  UniqueFd open(std::string_view tenant_name);

 private:
  Paths paths_;
  bool to_stdout_;
};

}  // namespace arcus::daemon
