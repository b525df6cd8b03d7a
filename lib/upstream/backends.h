#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/base/time.h"
#include "lib/upstream/balancer.h"

namespace arcus {

class BackendLink;

enum class AdminState : std::uint8_t { enabled, drain, disabled };
enum class BackendRole : std::uint8_t { origin, parent_http, parent_https, parent_socks5 };

struct BackendSpec {
  std::string id;
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

/// What the threads of a worker know together about one backend; survives a reload that keeps its id and
/// address.
class BackendHealth {
 public:
  static constexpr int fall = 3;                            ///< failures in a row until it is down
  static constexpr std::chrono::milliseconds retry{2'000};  ///< then one trial each

  /// False while down; once per `retry` it is true for one caller, whose connection is the trial.
  bool may_try(SteadyTime now) noexcept;
  bool is_down() const noexcept { return failures_.load(std::memory_order_relaxed) >= fall; }
  /// A connect succeeded; true when that brought it up.
  bool note_success() noexcept;
  /// A connect failed; true when that took it down.
  bool note_failure(SteadyTime now) noexcept;
  void set_down(SteadyTime now) noexcept;

  std::atomic<std::int64_t> active{0};  ///< connections over all threads

 private:
  std::atomic<int> failures_{0};
  std::atomic<std::int64_t> next_trial_{0};  ///< steady clock, nanoseconds
};

struct Backend {
  BackendSpec spec;
  std::shared_ptr<BackendHealth> health;
  std::shared_ptr<const BackendLink> link;  ///< null = plain TCP
};

/// The backends of one server snapshot; immutable but for their health.
class BackendSet {
 public:
  /// Throws Error (failed) on an unknown algorithm or TLS settings that do not work. `previous` lends the
  /// health and the links of backends that stay.
  BackendSet(std::vector<BackendSpec> specs, std::string_view algorithm,
             const BackendSet* previous = nullptr);

  const std::vector<Backend>& all() const noexcept { return all_; }
  bool empty() const noexcept { return all_.empty(); }
  const Balancer& balancer() const noexcept { return *balancer_; }

 private:
  std::vector<Backend> all_;
  const Balancer* balancer_;
};

/// One unit of a backend's active connections. The set it came from may go first.
class BackendSlot {
 public:
  BackendSlot() = default;
  explicit BackendSlot(std::shared_ptr<BackendHealth> health) noexcept;
  BackendSlot(BackendSlot&&) noexcept = default;
  BackendSlot& operator=(BackendSlot&& other) noexcept;
  ~BackendSlot() { give_back(); }
  void give_back() noexcept;

 private:
  std::shared_ptr<BackendHealth> health_;
};

/// Chooses for one client: never a backend tried before, backups only when no other is left. Per thread and
/// server.
class BackendChooser {
 public:
  /// Nothing and `reason` = no_backend or limit_backend when none is left. `tried` holds indexes of `set`.
  const Backend* pick(const BackendSet& set, const std::vector<std::size_t>& tried, std::uint64_t client_key,
                      SteadyTime now, Reason& reason);
  /// Where in the set the last pick stands.
  std::size_t last_index() const noexcept { return last_; }

 private:
  const Backend* pick_among(const BackendSet& set, const std::vector<std::size_t>& tried, std::uint64_t key,
                            SteadyTime now, bool backups);

  BalancerState state_;
  std::vector<Candidate> candidates_;
  std::size_t last_ = 0;
  bool full_ = false;
};

/// A stable hash of an address, for the algorithms that follow the client.
std::uint64_t client_key(const IpAddress& address) noexcept;

}  // namespace arcus
