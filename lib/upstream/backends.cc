#include "lib/upstream/backends.h"

#include <algorithm>
#include <atomic>
#include <span>
#include <unordered_map>
#include <utility>

#include "lib/base/error.h"
#include "lib/upstream/link.h"

namespace arcus {

/// FNV-1a, which is the same everywhere.
static constexpr std::uint64_t hash_basis = 0xcbf29ce484222325;

/// A cache line for each: threads that count connections to one do not disturb another, and a look at all of
/// them reads memory in order.
struct alignas(64) HealthLine {
  BackendHealth health;
};
static_assert(sizeof(HealthLine) == 64);

/// What the healths of one set live in.
struct HealthLines {
  HealthLines(std::size_t count, std::shared_ptr<WaitingLine> waiting)
      : all(count), line(std::move(waiting)) {
    for (HealthLine& one : all) one.health.set_line(line.get());
  }
  std::vector<HealthLine> all;
  std::shared_ptr<WaitingLine> line;
};

static std::vector<std::shared_ptr<BackendHealth>> new_healths(std::size_t count,
                                                               const std::shared_ptr<WaitingLine>& line) {
  const auto lines = std::make_shared<HealthLines>(count, line);
  std::vector<std::shared_ptr<BackendHealth>> all;
  all.reserve(count);
  for (HealthLine& one : lines->all) all.emplace_back(lines, &one.health);
  return all;
}

static bool keeps_health(const BackendSpec& spec, const Backend* old) noexcept {
  return old && old->spec.host == spec.host && old->spec.port == spec.port;
}

bool links_alike(const BackendSpec& a, const BackendSpec& b) noexcept {
  return a.host == b.host && a.role == b.role && a.tls == b.tls && a.tls_verify == b.tls_verify &&
         a.tls_server_name == b.tls_server_name && a.tls_ca_pem == b.tls_ca_pem &&
         a.user_name == b.user_name && a.password == b.password;
}

/// The sessions a link remembers for resumption are worth keeping.
static std::shared_ptr<const BackendLink> link_for(const BackendSpec& spec, const Backend* old) {
  return old && links_alike(old->spec, spec) ? old->link : BackendLink::make(spec);
}

static std::uint64_t hash_of(std::uint64_t hash, std::span<const std::uint8_t> bytes) noexcept {
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

/// Of the address, not of the id: a backend that is removed and added again has its clients again, and so it
/// has on another machine.
static std::uint64_t identity_of(const BackendSpec& spec) {
  const std::string text = HostPort{spec.host, spec.port}.to_string();
  return mix(hash_of(hash_basis, {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}));
}

BackendSet::BackendSet(std::vector<BackendSpec> specs, std::string_view algorithm, const BackendSet* previous)
    : line_(previous ? previous->line_ : std::make_shared<WaitingLine>()),
      balancer_(find_balancer(algorithm)) {
  if (!balancer_) throw Error{ErrorKind::failed, "no balancing algorithm \"" + std::string(algorithm) + "\""};
  std::unordered_map<std::string_view, const Backend*> before;
  if (previous)
    for (const Backend& old : previous->all()) before.emplace(old.spec.id, &old);
  const auto before_of = [&before](const BackendSpec& spec) {
    const auto found = before.find(spec.id);
    return found == before.end() ? nullptr : found->second;
  };
  const auto is_new = [&](const BackendSpec& spec) { return !keeps_health(spec, before_of(spec)); };
  auto healths = new_healths(static_cast<std::size_t>(std::ranges::count_if(specs, is_new)), line_);
  auto next = healths.begin();
  all_.reserve(specs.size());
  for (BackendSpec& spec : specs) {
    spec.weight = std::clamp<std::int64_t>(spec.weight, 1, 256);
    const Backend* const old = before_of(spec);
    auto health = keeps_health(spec, old) ? old->health : *next++;
    if (spec.known_down && !keeps_health(spec, old)) health->set_down(SteadyTime{});
    auto link = link_for(spec, old);
    all_.push_back({std::move(spec), std::move(health), std::move(link)});
  }
  first_choice_ = roster_of(false, previous ? previous->first_choice_ : nullptr);
  backups_ = roster_of(true, previous ? previous->backups_ : nullptr);
}

std::shared_ptr<const Roster> BackendSet::roster_of(bool backups,
                                                    const std::shared_ptr<const Roster>& previous) const {
  std::vector<Member> members;
  std::unordered_map<std::uint64_t, std::uint64_t> seen;  // two of one address are two all the same
  for (std::uint32_t i = 0; i < all_.size(); ++i) {
    const BackendSpec& spec = all_[i].spec;
    if (spec.admin_state != AdminState::enabled || spec.backup != backups) continue;
    const std::uint64_t address = identity_of(spec);
    Member member{.health = all_[i].health.get(),
                  .index = i,
                  .weight = static_cast<std::uint32_t>(spec.weight),
                  .identity = mix(address + seen[address]++)};
    if (spec.max_connections > 0) member.most = spec.max_connections;
    members.push_back(member);
  }
  return Roster::make(std::move(members), balancer_->aid, previous);
}

BackendSlot::BackendSlot(const Backend& backend, Count* ended) noexcept {
  if (!backend.health->take(backend.spec.max_connections)) return;
  health_ = backend.health;
  ended_ = ended;
}

BackendSlot& BackendSlot::operator=(BackendSlot&& other) noexcept {
  if (this != &other) {
    give_back();
    health_ = std::move(other.health_);
    ended_ = other.ended_;
  }
  return *this;
}

void BackendSlot::give_back() noexcept {
  if (!health_) return;
  if (ended_) ended_->add();
  health_->give_back();
  health_.reset();
}

static std::uint64_t next_seed() noexcept {
  static std::atomic<std::uint64_t> choosers{0};
  const auto now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return mix(now) + choosers.fetch_add(1, std::memory_order_relaxed);
}

BackendChooser::BackendChooser() noexcept : random_(mix(next_seed())) {}

const Backend* BackendChooser::pick(const BackendSet& set, const std::vector<std::size_t>& tried,
                                    std::uint64_t client_key, SteadyTime now, Reason& reason) {
  bool has_full = false;
  for (const Roster* roster : {&set.first_choice(), &set.backups()}) {
    if (roster->members.empty()) continue;
    const Left left =
        choose(set.balancer(),
               {.roster = *roster, .tried = tried, .key = client_key, .now = now, .random = random_});
    has_full = has_full || left.has_full;
    if (left.position == nobody) continue;
    last_ = roster->members[left.position].index;
    reason = Reason::ok;
    return &set.all()[last_];
  }
  reason = has_full ? Reason::limit_backend : Reason::no_backend;
  return nullptr;
}

const Backend* BackendChooser::pick_trial(const BackendSet& set, const std::vector<std::size_t>& tried,
                                          SteadyTime now) {
  const Roster& roster = set.first_choice();
  if (roster.members.empty()) return nullptr;
  const std::uint32_t trial =
      find_trial({.roster = roster, .tried = tried, .key = 0, .now = now, .random = random_});
  if (trial == nobody) return nullptr;
  last_ = roster.members[trial].index;
  return &set.all()[last_];
}

Left BackendChooser::choose(const Balancer& balancer, const Query& query) {
  if (const std::uint32_t trial = find_trial(query); trial != nobody) return {.position = trial};
  const std::uint32_t position = balancer.pick(query, state_of(query.roster));
  return position != nobody ? Left{.position = position} : find_left(query);
}

/// A backend that is down gets one client as a trial when its time has come. A few are looked at for each
/// client, so of many one may wait some clients longer.
std::uint32_t BackendChooser::find_trial(const Query& query) noexcept {
  constexpr std::size_t looks = 8;
  const std::vector<Member>& members = query.roster.members;
  for (std::size_t n = std::min(looks, members.size()); n > 0; --n) {
    if (++cursor_ >= members.size()) cursor_ = 0;
    const Member& member = members[cursor_];
    if (member.health->is_down() && !member.is_full() && !query.is_tried(member) &&
        member.health->may_try(query.now))
      return static_cast<std::uint32_t>(cursor_);
  }
  return nobody;
}

/// Sessions of before a reload go on with their set beside the new one: each has its rosters remembered.
BalancerState& BackendChooser::state_of(const Roster& roster) {
  constexpr std::size_t most_states = 4;
  for (BalancerState& state : states_)
    if (state.roster == roster.number) return state;
  BalancerState* state = nullptr;
  if (states_.size() < most_states)
    state = &states_.emplace_back();
  else
    state = &*std::ranges::min_element(states_, {}, &BalancerState::roster);
  *state = {.roster = roster.number, .turns = {}, .loads = {}};
  return *state;
}

std::uint64_t client_key(const IpAddress& address) noexcept { return hash_of(hash_basis, address.bytes()); }

}  // namespace arcus
