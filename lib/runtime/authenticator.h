#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <unordered_set>
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
  static constexpr std::size_t max_waiting = 1024;
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
  /// ok: `done` will be called. rate_limited: too many wait, of this source or of all.
  Reason submit(Job job);
  /// Ends the threads; what waits is dropped.
  void stop() noexcept;

  /// How many checks were made.
  std::uint64_t checks() const noexcept { return checks_.load(std::memory_order_relaxed); }

 private:
  struct Waiting {
    Job job;
    SteadyTime not_before;
  };
  struct Source {
    std::deque<Waiting> jobs;
    std::uint64_t served = 0;  ///< when its turn was, as a number that grows
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
  /// The next job that may begin; null (and `until` set) when there is none yet.
  Source* next_source(SteadyTime now, SteadyTime& until);
  unsigned failures_of(std::uint64_t key, SteadyTime now) const;
  void note(const Job& job, bool fits);
  static std::uint64_t key_of(std::uint64_t source, std::string_view tenant_id, std::string_view user);

  std::array<unsigned char, 32> key_{};
  std::size_t thread_count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, Source> sources_;
  std::size_t waiting_ = 0;
  std::uint64_t turn_ = 0;
  Halves<std::unordered_set<Mac, MacHash>> known_;
  FailureTable failures_;
  std::vector<std::thread> threads_;
  std::atomic<std::uint64_t> checks_{0};
  bool stopping_ = false;
};

}  // namespace arcus
