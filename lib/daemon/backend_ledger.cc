#include "lib/daemon/backend_ledger.h"

#include <algorithm>

#include "lib/base/text.h"
#include "lib/base/time.h"

namespace arcus::daemon {

/// Longer than anything a worker has to say.
static constexpr std::size_t most_text = 300;

static const registry::Backend* find_backend(const registry::DesiredServer& server, std::string_view id) {
  const auto found = std::ranges::find(server.backends, id, &registry::Backend::id);
  return found == server.backends.end() ? nullptr : &*found;
}

std::string BackendLedger::take_event(const registry::DesiredServer& server, const wire::Event& event) {
  const std::string_view detail = event.detail;
  const std::size_t first = std::min(detail.find(' '), detail.size());
  const std::size_t second = std::min(detail.find(' ', first + 1), detail.size());
  const registry::Backend* const backend = find_backend(server, detail.substr(0, first));
  if (backend == nullptr) return {};
  const bool is_up = event.kind == "backend_up";
  const std::string_view who =
      detail.substr(std::min(first + 1, detail.size()), second - std::min(first + 1, second));
  const std::string_view what = detail.substr(std::min(second + 1, detail.size())).substr(0, most_text);
  registry::BackendResult& news = news_[backend->id];
  news.backend_id = backend->id;
  news.state = is_up ? "up" : "down";
  news.decided_by = who == "check" ? "check" : "traffic";
  news.error = is_up ? "" : what.empty() ? "not reachable" : std::string{what};
  states_[backend->id] = news.state;
  return backend->address + (is_up ? "" : ": " + news.error) + " (" + news.decided_by + ")";
}

void BackendLedger::take_status(const registry::DesiredServer& server, const wire::BackendStatus& status) {
  const registry::Backend* const backend = find_backend(server, status.backend_id);
  if (backend == nullptr) return;
  registry::BackendResult& news = news_[backend->id];
  news.backend_id = backend->id;
  const WallTime at{std::chrono::milliseconds{std::max<std::int64_t>(status.checked_at_ms, 0)}};
  news.checked_at = to_text(std::min(at, wall_now()));
  news.latency_ms =
      static_cast<double>(std::clamp<std::int64_t>(status.latency_us, 0, 86'400'000'000)) / 1000;
  news.consecutive_ok = std::max<std::int64_t>(status.ok_in_row, 0);
  news.consecutive_fail = std::max<std::int64_t>(status.failed_in_row, 0);
  if (!status.error.empty()) news.error = status.error.substr(0, most_text);
  if (status.error.empty() && state_of(*backend) == "unknown") {
    news.state = "up";
    news.decided_by = "check";
    states_[backend->id] = "up";
  }
}

std::string_view BackendLedger::state_of(const registry::Backend& backend) const {
  const auto known = states_.find(backend.id);
  return known == states_.end() ? std::string_view{backend.state} : std::string_view{known->second};
}

std::vector<registry::BackendResult> BackendLedger::news() const {
  std::vector<registry::BackendResult> out;
  for (const auto& [id, result] : news_) out.push_back(result);
  return out;
}

}  // namespace arcus::daemon
