#include "lib/upstream/backends.h"

#include <algorithm>
#include <utility>

#include "lib/base/error.h"
#include "lib/upstream/link.h"

namespace arcus {

static std::int64_t nanoseconds(SteadyTime time) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

bool BackendHealth::may_try(SteadyTime now) noexcept {
  if (!is_down()) return true;
  std::int64_t due = next_trial_.load(std::memory_order_relaxed);
  if (nanoseconds(now) < due) return false;
  return next_trial_.compare_exchange_strong(due, nanoseconds(now + retry), std::memory_order_relaxed);
}

bool BackendHealth::note_success() noexcept {
  if (failures_.load(std::memory_order_relaxed) == 0) return false;
  return failures_.exchange(0, std::memory_order_relaxed) >= fall;
}

bool BackendHealth::note_failure(SteadyTime now) noexcept {
  const int before = failures_.fetch_add(1, std::memory_order_relaxed);
  if (before + 1 >= fall) next_trial_.store(nanoseconds(now + retry), std::memory_order_relaxed);
  return before + 1 == fall;
}

void BackendHealth::set_down(SteadyTime now) noexcept {
  failures_.store(fall, std::memory_order_relaxed);
  next_trial_.store(nanoseconds(now), std::memory_order_relaxed);
}

static std::shared_ptr<BackendHealth> inherited(const BackendSpec& spec, const BackendSet* previous) {
  if (previous)
    for (const Backend& old : previous->all())
      if (old.spec.id == spec.id && old.spec.host == spec.host && old.spec.port == spec.port)
        return old.health;
  auto health = std::make_shared<BackendHealth>();
  if (spec.known_down) health->set_down(SteadyTime{});
  return health;
}

static bool links_alike(const BackendSpec& a, const BackendSpec& b) noexcept {
  return a.host == b.host && a.role == b.role && a.tls == b.tls && a.tls_verify == b.tls_verify &&
         a.tls_server_name == b.tls_server_name && a.tls_ca_pem == b.tls_ca_pem &&
         a.user_name == b.user_name && a.password == b.password;
}

/// The sessions a link remembers for resumption are worth keeping.
static std::shared_ptr<const BackendLink> link_for(const BackendSpec& spec, const BackendSet* previous) {
  if (previous)
    for (const Backend& old : previous->all())
      if (old.spec.id == spec.id && links_alike(old.spec, spec)) return old.link;
  return BackendLink::make(spec);
}

BackendSet::BackendSet(std::vector<BackendSpec> specs, std::string_view algorithm, const BackendSet* previous)
    : balancer_(find_balancer(algorithm)) {
  if (!balancer_) throw Error{ErrorKind::failed, "no balancing algorithm \"" + std::string(algorithm) + "\""};
  for (BackendSpec& spec : specs) {
    spec.weight = std::clamp<std::int64_t>(spec.weight, 1, 256);
    auto health = inherited(spec, previous);
    auto link = link_for(spec, previous);
    all_.push_back({std::move(spec), std::move(health), std::move(link)});
  }
}

BackendSlot::BackendSlot(std::shared_ptr<BackendHealth> health) noexcept : health_(std::move(health)) {
  if (health_) health_->active.fetch_add(1, std::memory_order_relaxed);
}

BackendSlot& BackendSlot::operator=(BackendSlot&& other) noexcept {
  if (this != &other) {
    give_back();
    health_ = std::move(other.health_);
  }
  return *this;
}

void BackendSlot::give_back() noexcept {
  if (health_) health_->active.fetch_sub(1, std::memory_order_relaxed);
  health_.reset();
}

const Backend* BackendChooser::pick(const BackendSet& set, const std::vector<std::size_t>& tried,
                                    std::uint64_t client_key, SteadyTime now, Reason& reason) {
  full_ = false;
  const Backend* chosen = pick_among(set, tried, client_key, now, false);
  if (!chosen) chosen = pick_among(set, tried, client_key, now, true);
  reason = chosen ? Reason::ok : full_ ? Reason::limit_backend : Reason::no_backend;
  return chosen;
}

const Backend* BackendChooser::pick_among(const BackendSet& set, const std::vector<std::size_t>& tried,
                                          std::uint64_t key, SteadyTime now, bool backups) {
  candidates_.clear();
  for (std::size_t i = 0; i < set.all().size(); ++i) {
    const Backend& backend = set.all()[i];
    const BackendSpec& spec = backend.spec;
    const std::int64_t active = backend.health->active.load(std::memory_order_relaxed);
    const bool wanted = spec.admin_state == AdminState::enabled && spec.backup == backups &&
                        std::ranges::find(tried, i) == tried.end();
    const bool full = spec.max_connections > 0 && active >= spec.max_connections;
    const bool up = wanted && !backend.health->is_down();
    if (up && full) full_ = true;
    candidates_.push_back({up && !full, spec.weight, active});
  }
  // A backend that is down gets one client as a trial when its time has come.
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    const Backend& backend = set.all()[i];
    if (backend.spec.admin_state != AdminState::enabled || backend.spec.backup != backups) continue;
    if (!backend.health->is_down() || std::ranges::find(tried, i) != tried.end()) continue;
    if (backend.health->may_try(now)) return last_ = i, &backend;
  }
  const auto index = set.balancer().pick(state_, candidates_, key);
  if (!index) return nullptr;
  last_ = *index;
  return &set.all()[*index];
}

std::uint64_t client_key(const IpAddress& address) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint8_t byte : address.bytes()) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

}  // namespace arcus
