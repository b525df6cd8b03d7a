#include "lib/daemon/tally_ledger.h"

#include <algorithm>
#include <chrono>
#include <string_view>

#include "lib/base/time.h"
#include "lib/daemon/counter_segments.h"

namespace arcus::daemon {

/// "acl" of 'a'; empty for what is none.
static std::string_view word_of(char kind) noexcept {
  switch (static_cast<TallyKind>(kind)) {
    case TallyKind::acl:
      return "acl";
    case TallyKind::backend:
      return "backend";
    case TallyKind::user:
      return "user";
  }
  return {};
}

bool TallyLedger::take(const wire::TallyTotals& totals, std::uint64_t most) {
  Line& line = lines_[totals.name];
  wire::TallyTotals next = line.seen;
  next.name = totals.name;
  bool is_sane = true;
  constexpr std::uint64_t most_ever = std::uint64_t{1} << 60;     // sums of some still fit
  constexpr std::uint64_t most_at_once = std::uint64_t{1} << 53;  // a tunnel's bytes come when it ends
  const auto raise = [&is_sane](std::uint64_t& value, std::uint64_t other, std::uint64_t bound) {
    is_sane = is_sane && other <= most_ever && (other <= value || other - value <= bound);
    value = std::max(value, other);
  };
  raise(next.uses, totals.uses, most);
  raise(next.ended, totals.ended, most);
  raise(next.failures, totals.failures, most);
  raise(next.bytes_in, totals.bytes_in, most_at_once);
  raise(next.bytes_out, totals.bytes_out, most_at_once);
  if (!is_sane) return false;
  // A worker cannot have seen anything later than now.
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(wall_now().time_since_epoch());
  next.last_at_ms =
      std::max(next.last_at_ms, std::min(totals.last_at_ms, static_cast<std::uint64_t>(now.count())));
  if (next == line.seen) return true;
  line.is_written = line.is_written && next == wire::TallyTotals{.name = totals.name};
  line.seen = std::move(next);
  return true;
}

std::vector<registry::TallyCounts> TallyLedger::changes() const {
  std::vector<registry::TallyCounts> out;
  for (const auto& [name, line] : lines_) {
    const std::string_view kind = name.empty() ? std::string_view{} : word_of(name.front());
    if (line.is_written || kind.empty()) continue;
    const WallTime last{std::chrono::milliseconds{line.seen.last_at_ms}};
    out.push_back({.kind = std::string{kind},
                   .id = name.substr(1),
                   .uses = line.seen.uses,
                   .ended = std::min(line.seen.ended, line.seen.uses),
                   .failures = line.seen.failures,
                   .bytes_in = line.seen.bytes_in,
                   .bytes_out = line.seen.bytes_out,
                   .last_at = line.seen.last_at_ms > 0 ? to_text(last) : std::string{}});
  }
  return out;
}

void TallyLedger::note_written() {
  for (auto& [name, line] : lines_) line.is_written = true;
}

}  // namespace arcus::daemon
