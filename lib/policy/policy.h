#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/policy/guard.h"

namespace arcus::policy {

/// One rule as people write it; empty text = any.
struct RuleText {
  std::int64_t number = 0;
  bool allow = false;
  std::string client;       ///< CIDR
  std::string user;         ///< name
  std::string host;         ///< exact or `*.suffix`
  std::string destination;  ///< CIDR
  std::int64_t port_first = 0;
  std::int64_t port_last = 0;  ///< 0 = any port
  std::string method;          ///< one or several, with commas
  std::string time_window;     ///< "08:00-18:00", UTC; may pass midnight
  std::uint32_t tally = 0;     ///< where its hits are counted; passed on in Decision
};

/// What is asked for. Views need to live only for the call.
struct Request {
  IpAddress client;
  std::string_view user;
  std::string_view host;  ///< name or literal, any case, without brackets
  std::uint16_t port = 0;
  std::string_view method;  ///< empty = not HTTP
  int minute_of_day = -1;   ///< UTC; -1 = now
};

enum class Verdict : std::uint8_t {
  allow,
  deny,
  needs_address,  ///< a rule with a destination stands before the first match: ask again with each address
};

/// The answer, and what it rests on.
struct Decision {
  Verdict verdict = Verdict::allow;
  Reason reason = Reason::ok;           ///< acl_denied or destination_denied with `deny`
  std::int64_t rule = 0;                ///< number of the rule that decided; 0 = none did
  std::uint32_t tally = 0;              ///< of that rule
  bool closed_door = false;             ///< with acl_denied: allow rules name clients, none of them this one
  std::string_view scope;               ///< "server" or "tenant", whose rule that was
  bool opens_guard = false;             ///< an allow rule with a destination covers the address
  const SpecialRange* range = nullptr;  ///< with destination_denied: what the address lies in, if anything
};

/// Rules made ready for judging; immutable. Allow rules that name clients close the door for all others,
/// whatever stands where. For those inside, server rules come before tenant rules, each by position; the
/// first match wins, and what no rule matches is allowed. Rules are found by host name, network and user, so
/// the cost does not grow with their number.
class Policy {
 public:
  Policy() = default;
  /// Throws Error (failed) that names the first rule which cannot be read.
  Policy(std::span<const RuleText> server_rules, std::span<const RuleText> tenant_rules);

  bool empty() const noexcept { return rules_.empty(); }
  std::size_t size() const noexcept { return rules_.size(); }

  /// By the door alone, when nothing was asked yet: may this client in? Methods and users are not looked at.
  /// `minute_of_day` as in Request.
  bool admits(const IpAddress& client, int minute_of_day = -1) const;

  /// By the rules alone. Without `address`, rules with a destination cannot be judged.
  Decision decide(const Request& request, const IpAddress* address) const;

  /// By the rules that need no address alone: for names that a parent proxy will look up.
  Decision decide_name(const Request& request) const;

  /// By the rules and the destination guard: may this client reach that address?
  Decision decide_address(const Request& request, const Endpoint& address, const OwnEndpoints& own) const;

 private:
  struct Rule {
    std::int64_t number = 0;
    std::uint32_t tally = 0;
    bool allow = false;
    bool of_tenant = false;
    std::optional<Cidr> client;
    std::optional<Cidr> destination;
    std::string user;
    std::string host;  ///< lower case, without a trailing dot
    bool suffix = false;
    std::uint16_t port_first = 0;
    std::uint16_t port_last = 0;
    std::vector<std::string> methods;
    int window_first = -1;  ///< minute of the day; -1 = always
    int window_last = 0;    ///< exclusive
  };
  using Positions = std::vector<std::uint32_t>;

  /// Rules by network: one table per prefix length in use.
  struct NetworkIndex {
    struct BytesHash {
      std::size_t operator()(const IpAddress& address) const noexcept;
    };
    std::map<std::pair<bool, int>, std::unordered_map<IpAddress, Positions, BytesHash>> by_length;
    void add(const Cidr& network, std::uint32_t position);
    /// Calls `visit(positions)` for every network that holds `key`.
    template <typename Visit>
    void visit_networks_of(const IpAddress& key, Visit visit) const;
  };

  static Rule read(const RuleText& text, bool of_tenant);
  void index(const Rule& rule, std::uint32_t position);
  /// By all conditions but those about the destination.
  static bool matches_asker(const Rule& rule, const Request& request);
  static bool matches(const Rule& rule, const Request& request, const IpAddress* address);
  /// True when no allow rule names clients, or one of those that name `client` satisfies `names`.
  template <typename Names>
  bool is_named(const IpAddress& client, Names names) const;
  bool is_inside(const Request& request) const;
  std::optional<std::uint32_t> first_match(const Request& request, const IpAddress* address,
                                           std::uint32_t from, bool opening) const;
  Decision decided_by(const Rule& rule) const noexcept;

  std::vector<Rule> rules_;
  std::unordered_map<std::string_view, Positions> exact_;   ///< keys live in rules_
  std::unordered_map<std::string_view, Positions> suffix_;  ///< "example.org" for *.example.org
  std::unordered_map<std::string_view, Positions> users_;
  NetworkIndex destinations_;
  NetworkIndex clients_;
  NetworkIndex doors_;  ///< allow rules that name clients
  bool closes_door_ = false;
  Positions others_;
  std::uint32_t first_destination_ = ~std::uint32_t{0};
};

/// "rule 20 of the tenant denies it", "no rule matches: allowed", … for explain and for logs.
std::string explain(const Decision& decision);

}  // namespace arcus::policy
