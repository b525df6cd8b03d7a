#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/count.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"
#include "lib/upstream/balancer.h"
#include "lib/upstream/health.h"
#include "lib/upstream/roster.h"
#include "lib/upstream/waiting_line.h"

namespace arcus {

class BackendLink;

enum class AdminState : std::uint8_t { enabled, drain, disabled };
enum class BackendRole : std::uint8_t { origin, parent_http, parent_https, parent_socks5 };

struct BackendSpec {
  std::string id;
  std::uint32_t tally = 0;  ///< where its connections are counted; 0 = nowhere
  std::string host;
  std::uint16_t port = 0;
  std::int64_t weight = 1;
  bool backup = false;
  std::int64_t max_connections = 0;  ///< 0 = unlimited
  AdminState admin_state = AdminState::enabled;
  BackendRole role = BackendRole::origin;
  bool tls = false;                 ///< speak TLS to it
  std::string tls_verify = "full";  ///< full, ca, none
  std::string tls_server_name;      ///< empty = host
  std::string tls_ca_pem;           ///< authorities to trust
  std::string user_name;            ///< for a parent proxy
  std::string password;
  bool known_down = false;  ///< the state it starts with
};

struct Backend {
  BackendSpec spec;
  std::shared_ptr<BackendHealth> health;
  std::shared_ptr<const BackendLink> link;  ///< null = plain TCP
};

/// True when both are spoken to in the same way: a link of one serves the other.
bool links_alike(const BackendSpec& a, const BackendSpec& b) noexcept;

/// The backends of one server snapshot; immutable but for their health.
class BackendSet {
 public:
  /// Throws Error (failed) on an unknown algorithm or TLS settings that do not work. `previous` lends the
  /// health and the links of backends that stay, and its rosters where they are the same.
  BackendSet(std::vector<BackendSpec> specs, std::string_view algorithm,
             const BackendSet* previous = nullptr);

  const std::vector<Backend>& all() const noexcept { return all_; }
  bool empty() const noexcept { return all_.empty(); }
  const Balancer& balancer() const noexcept { return *balancer_; }
  /// The enabled backends that are the first choice, and the enabled backups.
  const Roster& first_choice() const noexcept { return *first_choice_; }
  const Roster& backups() const noexcept { return *backups_; }
  /// Where clients stand for whom all are full; the same as that of `previous`.
  const std::shared_ptr<WaitingLine>& line() const noexcept { return line_; }
  /// How many stand there for backends of this very set.
  std::atomic<std::int64_t>& waiters() const noexcept { return waiters_; }

 private:
  std::shared_ptr<const Roster> roster_of(bool backups, const std::shared_ptr<const Roster>& previous) const;

  std::vector<Backend> all_;
  std::shared_ptr<WaitingLine> line_;
  mutable std::atomic<std::int64_t> waiters_{0};
  const Balancer* balancer_;
  std::shared_ptr<const Roster> first_choice_;
  std::shared_ptr<const Roster> backups_;
};

/// One unit of a backend's active connections. The set it came from may go first. Given back, it calls
/// whoever waits for one.
class BackendSlot {
 public:
  BackendSlot() = default;
  /// Empty when it has as many as it may; another thread was faster. `ended` (may be null) counts when it is
  /// given back.
  explicit BackendSlot(const Backend& backend, Count* ended = nullptr) noexcept;
  BackendSlot(BackendSlot&&) noexcept = default;
  BackendSlot& operator=(BackendSlot&& other) noexcept;
  ~BackendSlot() { give_back(); }
  bool is_taken() const noexcept { return health_ != nullptr; }
  void give_back() noexcept;

 private:
  std::shared_ptr<BackendHealth> health_;
  Count* ended_ = nullptr;
};

/// Chooses for one client: never a backend tried before, backups only when no other is left. Per thread and
/// server. Allocates only at the first pick from a roster.
class BackendChooser {
 public:
  /// Begins where no other chooser does, so that threads do not march in step.
  BackendChooser() noexcept;
  explicit BackendChooser(std::uint64_t seed) noexcept : random_(seed) {}

  /// Nothing and `reason` = no_backend or limit_backend when none is left. `tried` holds indexes of `set`.
  const Backend* pick(const BackendSet& set, const std::vector<std::size_t>& tried, std::uint64_t client_key,
                      SteadyTime now, Reason& reason);
  /// One that is down and due for a trial, or nothing.
  const Backend* pick_trial(const BackendSet& set, const std::vector<std::size_t>& tried, SteadyTime now);
  /// Where in the set the last pick stands.
  std::size_t last_index() const noexcept { return last_; }

 private:
  Left choose(const Balancer& balancer, const Query& query);
  std::uint32_t find_trial(const Query& query) noexcept;
  BalancerState& state_of(const Roster& roster);

  Random random_;
  std::vector<BalancerState> states_;
  std::size_t cursor_ = 0;  ///< who is looked at next for a trial
  std::size_t last_ = 0;
};

/// A stable hash of an address, for the algorithms that follow the client.
std::uint64_t client_key(const IpAddress& address) noexcept;

}  // namespace arcus
