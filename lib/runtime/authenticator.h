#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "lib/base/reason.h"
#include "lib/base/time.h"
#include "lib/crypto/secret.h"

namespace arcus {

/// Checks passwords away from the data threads, for all of them: a check takes some 80 ms and 32 MiB. What
/// was right once is remembered, as a keyed MAC. Whoever guesses waits: sources take turns, those without
/// failures first; after 10 wrong passwords in 60 s the next check for the same source and user begins 1 s
/// later, then 2, 4, 8 and 10 s. Nobody is ever locked out. Safe from any thread.
class Authenticator {
 public:
  static constexpr std::size_t max_waiting_per_source = 2;
  static constexpr std::size_t max_waiting_per_tenant = 512;
  static constexpr std::size_t max_waiting = 4096;
  static constexpr unsigned free_failures = 10;
  static constexpr std::chrono::seconds failure_memory{60};
  static constexpr std::chrono::seconds longest_delay{10};

  struct Job {
    std::uint64_t source = 0;  ///< source_key() of the client
    std::string tenant_id;
    std::string user;
    std::string hash;  ///< empty: there is no such user, which takes as long to find out
    Secret password;
    Mac mac{};                                      ///< mac() of all that
    std::shared_ptr<const std::atomic<bool>> gone;  ///< true: nobody waits for the answer any more
    std::function<void(Reason reason)> done;        ///< ok or auth_failed, on one of our threads
  };

  /// `threads` check at the same time.
  explicit Authenticator(std::size_t threads = 1);
  ~Authenticator() { stop(); }
  Authenticator(const Authenticator&) = delete;
  Authenticator& operator=(const Authenticator&) = delete;

  /// What a right password is remembered by; another hash is another password.
  Mac mac(std::string_view tenant_id, std::string_view user, std::string_view hash,
          std::string_view password) const;
  bool remembers(const Mac& mac);
  /// ok: `done` will be called. rate_limited: too many wait, of this source, of the tenant or of all.
  /// local_resource: no thread can be had.
  Reason submit(Job job);
  /// Ends the threads; what waits is dropped.
  void stop() noexcept;

  /// How many checks were made.
  std::uint64_t checks() const noexcept { return checks_.load(std::memory_order_relaxed); }

 private:
  struct Waiting {
    Job job;
    SteadyTime not_before;
    unsigned failures = 0;  ///< of its source, when it came
    bool sleeps = false;
  };
  /// The jobs of a source: some may begin, others wait for their time.
  struct Source {
    std::vector<std::uint64_t> ids;
    std::size_t sleeping = 0;
  };
  struct Failures {
    unsigned count = 0;
    SteadyTime last;
  };
  /// Forgets the older half when it is full.
  template <typename Table>
  struct Halves {
    Table fresh;
    Table old;
    void make_room(std::size_t most) {
      if (fresh.size() < most) return;
      old = std::move(fresh);
      fresh = {};
    }
  };
  using FailureTable = Halves<std::unordered_map<std::uint64_t, Failures>>;

  void run();
  void answer(const Job& job);
  bool has_threads();
  bool is_full(const std::string& tenant_id) const;
  bool has_room(const Job& job, SteadyTime now);
  Waiting take(std::uint64_t id);
  void purge(const std::vector<std::uint64_t>& ids);
  static bool is_gone(const Job& job) noexcept;
  /// Moves those whose time has come; when the next one's will.
  SteadyTime wake(SteadyTime now);
  unsigned failures_of(std::uint64_t key, SteadyTime now) const;
  void note(const Job& job, bool fits);
  static std::uint64_t key_of(std::uint64_t source, std::string_view tenant_id, std::string_view user);

  std::array<unsigned char, 32> key_{};
  std::size_t thread_count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::uint64_t, Waiting> jobs_;  ///< by id: numbers that grow
  std::unordered_map<std::uint64_t, Source> sources_;
  std::unordered_map<std::string, std::size_t> of_tenant_;  ///< how many
  std::set<std::pair<unsigned, std::uint64_t>> ready_;      ///< failures, id
  std::set<std::pair<SteadyTime, std::uint64_t>> sleeping_;
  std::uint64_t next_id_ = 1;
  SteadyTime next_purge_;
  Halves<std::unordered_set<Mac, MacHash>> known_;
  FailureTable failures_;
  std::vector<std::thread> threads_;
  std::atomic<std::uint64_t> checks_{0};
  bool stopping_ = false;
};

}  // namespace arcus
