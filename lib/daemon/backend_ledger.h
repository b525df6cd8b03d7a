#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lib/registry/desired.h"
#include "lib/registry/observed.h"
#include "lib/wire/messages.h"

namespace arcus::daemon {

/// What workers say of backends: kept until it is in the registry. A worker may be taken over: only what fits
/// the server it speaks of is believed.
class BackendLedger {
 public:
  /// An event backend_up or backend_down; nothing when it is about no backend of `server`, else what
  /// happened, for people.
  std::string take_event(const registry::DesiredServer& server, const wire::Event& event);
  /// The last result of a check.
  void take_status(const registry::DesiredServer& server, const wire::BackendStatus& status);

  /// up, down or unknown.
  std::string_view state_of(const registry::Backend& backend) const;
  bool has_news() const noexcept { return !news_.empty(); }
  std::vector<registry::BackendResult> news() const;
  void note_written() { news_.clear(); }

 private:
  std::map<std::string, std::string> states_;  ///< by backend, as far as workers have said
  std::map<std::string, registry::BackendResult> news_;
};

}  // namespace arcus::daemon
