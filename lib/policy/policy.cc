#include "lib/policy/policy.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "lib/base/error.h"
#include "lib/base/text.h"
#include "lib/base/time.h"

namespace arcus::policy {

static constexpr std::uint32_t no_position = ~std::uint32_t{0};
static constexpr Decision closed_door{
    .verdict = Verdict::deny, .reason = Reason::acl_denied, .closed_door = true};

std::size_t Policy::NetworkIndex::BytesHash::operator()(const IpAddress& address) const noexcept {
  std::uint64_t halves[2];
  std::memcpy(halves, address.bytes().data(), sizeof halves);
  return static_cast<std::size_t>((halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd);
}

static int minute_of_day(WallTime time) noexcept {
  const auto minutes = std::chrono::duration_cast<std::chrono::minutes>(time.time_since_epoch()).count();
  return static_cast<int>(minutes % (24 * 60));
}

/// The first `bits` bits of `address`.
static IpAddress network_of(const IpAddress& address, int bits) noexcept {
  auto bytes = address.bytes();
  if (address.is_v4()) {
    const std::uint32_t number = std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                                 std::uint32_t{bytes[2]} << 8 | bytes[3];
    return IpAddress::v4(bits == 0 ? 0 : number & ~std::uint32_t{0} << (32 - bits));
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const int kept = std::clamp(bits - static_cast<int>(i) * 8, 0, 8);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00 >> kept));
  }
  return IpAddress::v6(bytes);
}

void Policy::NetworkIndex::add(const Cidr& network, std::uint32_t position) {
  by_length[{network.address.is_v4(), network.bits}][network_of(network.address, network.bits)].push_back(
      position);
}

static Cidr read_network(const std::string& text) {
  auto network = Cidr::parse(text);
  if (!network) throw Error(ErrorKind::failed, "'" + text + "' is not a network");
  return *network;
}

static int read_minute(std::string_view text) {
  const bool shaped = text.size() == 5 && text[2] == ':';
  int value = shaped ? 0 : -1;
  for (const std::size_t at : {0U, 1U, 3U, 4U}) {
    if (value < 0 || text[at] < '0' || text[at] > '9')
      throw Error(ErrorKind::failed, "a time window is HH:MM-HH:MM");
    value = value * (at == 3 ? 6 : 10) + (text[at] - '0');
  }
  if (text[3] > '5' || value > 24 * 60) throw Error(ErrorKind::failed, "a time window is HH:MM-HH:MM");
  return value;
}

Policy::Rule Policy::read(const RuleText& text, bool of_tenant) try {
  Rule rule;
  rule.number = text.number;
  rule.tally = text.tally;
  rule.allow = text.allow;
  rule.of_tenant = of_tenant;
  rule.user = text.user;
  if (!text.client.empty()) rule.client = read_network(text.client);
  if (!text.destination.empty()) rule.destination = read_network(text.destination);
  rule.host = to_lower(text.host);
  if (rule.host.ends_with('.')) rule.host.pop_back();
  if (rule.host == "*") rule.host.clear();
  rule.suffix = rule.host.starts_with("*.");
  if (rule.suffix) rule.host.erase(0, 2);
  if (!rule.host.empty() && !is_host_name(rule.host) && !IpAddress::parse(rule.host))
    throw Error(ErrorKind::failed, "'" + text.host + "' is neither a name nor *.suffix");
  const std::int64_t last = text.port_last == 0 ? text.port_first : text.port_last;
  if (text.port_first < 0 || last > 65'535 || last < text.port_first)
    throw Error(ErrorKind::failed, "ports are from 1 to 65535");
  rule.port_first = static_cast<std::uint16_t>(text.port_first);
  rule.port_last = static_cast<std::uint16_t>(last);
  if (!text.method.empty())
    for (const std::string& method : split(text.method, ',')) rule.methods.emplace_back(trim(method));
  if (!text.time_window.empty()) {
    const std::size_t dash = std::min(text.time_window.find('-'), text.time_window.size());
    rule.window_first = read_minute(std::string_view{text.time_window}.substr(0, dash));
    rule.window_last =
        read_minute(std::string_view{text.time_window}.substr(std::min(dash + 1, text.time_window.size())));
  }
  return rule;
} catch (const Error& error) {
  throw Error(error.kind(), "rule " + std::to_string(text.number) + ": " + error.what());
}

Policy::Policy(std::span<const RuleText> server_rules, std::span<const RuleText> tenant_rules) {
  rules_.reserve(server_rules.size() + tenant_rules.size());
  for (const RuleText& text : server_rules) rules_.push_back(read(text, false));
  for (const RuleText& text : tenant_rules) rules_.push_back(read(text, true));
  for (std::uint32_t position = 0; position < rules_.size(); ++position) index(rules_[position], position);
}

void Policy::index(const Rule& rule, std::uint32_t position) {
  if (rule.destination) first_destination_ = std::min(first_destination_, position);
  if (rule.allow && rule.client) {
    doors_.add(*rule.client, position);
    closes_door_ = closes_door_ || rule.client->bits > 0;
  }
  if (!rule.host.empty()) {
    (rule.suffix ? suffix_ : exact_)[rule.host].push_back(position);
  } else if (rule.destination) {
    destinations_.add(*rule.destination, position);
  } else if (rule.client) {
    clients_.add(*rule.client, position);
  } else if (!rule.user.empty()) {
    users_[rule.user].push_back(position);
  } else {
    others_.push_back(position);
  }
}

template <typename Visit>
void Policy::NetworkIndex::visit_networks_of(const IpAddress& key, Visit visit) const {
  const IpAddress plain = key.unmapped();
  for (const auto& [length, table] : by_length) {
    if (length.first != plain.is_v4()) continue;
    if (const auto found = table.find(network_of(plain, length.second)); found != table.end())
      visit(found->second);
  }
}

bool Policy::matches(const Rule& rule, const Request& request, const IpAddress* address) {
  if (rule.destination && (address == nullptr || !rule.destination->contains(*address))) return false;
  if (rule.port_last != 0 && (request.port < rule.port_first || request.port > rule.port_last)) return false;
  return matches_asker(rule, request);
}

/// By time alone.
static bool is_open_at(int first, int last, int asked) {
  if (first < 0) return true;
  const int minute = asked < 0 ? minute_of_day(wall_now()) : asked;
  const bool after = minute >= first, before = minute < last;
  return first <= last ? after && before : after || before;
}

bool Policy::matches_asker(const Rule& rule, const Request& request) {
  if (rule.client && !rule.client->contains(request.client)) return false;
  if (!rule.user.empty() && rule.user != request.user) return false;
  if (!rule.methods.empty() && std::ranges::find(rule.methods, request.method) == rule.methods.end())
    return false;
  return is_open_at(rule.window_first, rule.window_last, request.minute_of_day);
}

/// The lowest position from `from` on that matches. With `opening`, only rules that can open or close the
/// guard: allow rules with a destination, and deny rules.
std::optional<std::uint32_t> Policy::first_match(const Request& request, const IpAddress* address,
                                                 std::uint32_t from, bool opening) const {
  std::uint32_t best = no_position;
  const auto look = [&](const Positions& positions) {
    for (auto at = std::ranges::lower_bound(positions, from); at != positions.end() && *at < best; ++at) {
      const Rule& rule = rules_[*at];
      if (opening && rule.allow && !rule.destination) continue;
      if (matches(rule, request, address)) best = *at;
    }
  };
  look(others_);
  clients_.visit_networks_of(request.client, look);
  if (address != nullptr) destinations_.visit_networks_of(*address, look);
  if (!users_.empty())
    if (const auto found = users_.find(request.user); found != users_.end()) look(found->second);
  if (exact_.empty() && suffix_.empty()) return best == no_position ? std::nullopt : std::optional{best};
  const std::string name =
      to_lower(request.host.ends_with('.') ? request.host.substr(0, request.host.size() - 1) : request.host);
  std::string_view rest = name;
  if (const auto found = exact_.find(rest); found != exact_.end()) look(found->second);
  for (std::size_t dot; (dot = rest.find('.')) != std::string_view::npos;) {
    rest.remove_prefix(dot + 1);
    if (const auto found = suffix_.find(rest); found != suffix_.end()) look(found->second);
  }
  return best == no_position ? std::nullopt : std::optional{best};
}

template <typename Names>
bool Policy::is_named(const IpAddress& client, Names names) const {
  if (!closes_door_) return true;
  bool found = false;
  doors_.visit_networks_of(client, [&](const Positions& positions) {
    found = found || std::ranges::any_of(positions, [&](std::uint32_t at) { return names(rules_[at]); });
  });
  return found;
}

bool Policy::is_inside(const Request& request) const {
  return is_named(request.client, [&](const Rule& rule) { return matches_asker(rule, request); });
}

bool Policy::admits(const IpAddress& client, int minute_of_day) const {
  return is_named(client, [&](const Rule& rule) {
    return is_open_at(rule.window_first, rule.window_last, minute_of_day);
  });
}

Decision Policy::decided_by(const Rule& rule) const noexcept {
  return {.verdict = rule.allow ? Verdict::allow : Verdict::deny,
          .reason = rule.allow ? Reason::ok : Reason::acl_denied,
          .rule = rule.number,
          .tally = rule.tally,
          .scope = rule.of_tenant ? "tenant" : "server",
          .opens_guard = rule.allow && rule.destination.has_value()};
}

Decision Policy::decide(const Request& request, const IpAddress* address) const {
  if (rules_.empty()) return {};
  if (!is_inside(request)) return closed_door;
  const auto found = first_match(request, address, 0, false);
  if (address == nullptr && first_destination_ < found.value_or(no_position))
    return {.verdict = Verdict::needs_address};
  return found ? decided_by(rules_[*found]) : Decision{};
}

Decision Policy::decide_name(const Request& request) const {
  if (!is_inside(request)) return closed_door;
  const auto found = rules_.empty() ? std::nullopt : first_match(request, nullptr, 0, false);
  return found ? decided_by(rules_[*found]) : Decision{};
}

Decision Policy::decide_address(const Request& request, const Endpoint& address,
                                const OwnEndpoints& own) const {
  const SpecialRange* range = find_special(address.address);
  Decision denied{.verdict = Verdict::deny, .reason = Reason::destination_denied, .range = range};
  if (!is_inside(request)) return closed_door;
  if (is_own(address, own)) return denied;
  const auto found = rules_.empty() ? std::nullopt : first_match(request, &address.address, 0, false);
  const Decision decision = found ? decided_by(rules_[*found]) : Decision{};
  if (decision.verdict == Verdict::deny || range == nullptr) return decision;
  if (range->never) return denied;
  if (decision.opens_guard) return decision;
  // A rule that lets the client in must not hide a later one that opens the network.
  const auto opener = found ? first_match(request, &address.address, *found + 1, true) : std::nullopt;
  return opener && rules_[*opener].allow ? decided_by(rules_[*opener]) : denied;
}

std::string explain(const Decision& decision) {
  if (decision.verdict == Verdict::needs_address) return "depends on the address";
  if (decision.reason == Reason::destination_denied) {
    if (decision.range == nullptr) return "the address is one of ours";
    return std::string{"no allow rule opens "}
               .append(decision.range->cidr)
               .append(" (")
               .append(decision.range->summary) +
           ")";
  }
  if (decision.closed_door) return "allow rules name clients, and none of them this one";
  const std::string effect = decision.verdict == Verdict::allow ? "allows it" : "denies it";
  if (decision.rule == 0) return "no rule matches: allowed";
  return "rule " + std::to_string(decision.rule) + " of the " + std::string{decision.scope} + " " + effect;
}

}  // namespace arcus::policy
