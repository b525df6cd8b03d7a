#include "lib/runtime/authenticator.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "lib/base/log.h"
#include "lib/crypto/password.h"

namespace arcus {

using std::chrono::seconds;
using std::chrono::steady_clock;

static constexpr std::size_t most_known = 8192;      // twice that at most
static constexpr std::size_t most_failures = 32768;  // twice that at most
/// Data threads come first; what is left is enough to check some passwords a second.
static constexpr int niceness = 5;

Authenticator::Authenticator(std::size_t threads) : thread_count_(std::max<std::size_t>(1, threads)) {
  fill_random(key_);
}

Mac Authenticator::mac(std::string_view tenant_id, std::string_view user, std::string_view hash,
                       std::string_view password) const {
  return mac_of(key_, {tenant_id, user, hash, password});
}

bool Authenticator::remembers(const Mac& mac) {
  const std::lock_guard lock(mutex_);
  if (known_.fresh.contains(mac)) return true;
  if (known_.old.erase(mac) == 0) return false;
  known_.make_room(most_known);
  known_.fresh.insert(mac);
  return true;
}

std::uint64_t Authenticator::key_of(std::uint64_t source, std::string_view tenant_id, std::string_view user) {
  const std::uint64_t name =
      std::hash<std::string_view>{}(user)*31 + std::hash<std::string_view>{}(tenant_id);
  return (source ^ (name * 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd;
}

unsigned Authenticator::failures_of(std::uint64_t key, SteadyTime now) const {
  for (const auto* table : {&failures_.fresh, &failures_.old})
    if (const auto found = table->find(key); found != table->end())
      return now - found->second.last < failure_memory ? found->second.count : 0;
  return 0;
}

/// How long a check waits after so many failures.
static seconds delay_after(unsigned failures) {
  if (failures < Authenticator::free_failures) return seconds{0};
  const unsigned doublings = std::min(failures - Authenticator::free_failures, 4U);
  return std::min(seconds{1U << doublings}, Authenticator::longest_delay);
}

Reason Authenticator::submit(Job job) {
  const std::lock_guard lock(mutex_);
  if (stopping_ || waiting_ >= max_waiting) return Reason::rate_limited;
  Source& source = sources_[job.source];
  std::erase_if(source.jobs, [&](const Waiting& one) {
    const bool is_gone = one.job.gone && one.job.gone->load(std::memory_order_relaxed);
    waiting_ -= is_gone ? 1U : 0U;
    return is_gone;
  });
  if (source.jobs.size() >= max_waiting_per_source) return Reason::rate_limited;
  const SteadyTime now = steady_clock::now();
  const unsigned failures = failures_of(key_of(job.source, job.tenant_id, job.user), now);
  source.jobs.push_back({std::move(job), now + delay_after(failures)});
  ++waiting_;
  while (threads_.size() < thread_count_) threads_.emplace_back([this] { run(); });
  changed_.notify_one();
  return Reason::ok;
}

Authenticator::Source* Authenticator::next_source(SteadyTime now, SteadyTime& until) {
  Source* best = nullptr;
  unsigned fewest = 0;
  for (auto& [key, source] : sources_) {
    if (source.jobs.empty()) continue;
    const SteadyTime begins = source.jobs.front().not_before;
    if (begins > now) {
      until = std::min(until, begins);
      continue;
    }
    const unsigned failures = failures_of(key, now);
    if (best != nullptr && std::pair{failures, source.served} >= std::pair{fewest, best->served}) continue;
    best = &source;
    fewest = failures;
  }
  return best;
}

void Authenticator::note(const Job& job, bool fits) {
  const SteadyTime now = steady_clock::now();
  // The pair waits for its own sake; the source as a whole only loses its turn to others.
  for (const std::uint64_t key : {key_of(job.source, job.tenant_id, job.user), job.source}) {
    if (fits && key != job.source) {
      failures_.fresh.erase(key);
      failures_.old.erase(key);
    } else if (!fits) {
      const unsigned count = failures_of(key, now) + 1;
      failures_.make_room(most_failures);
      failures_.fresh[key] = {count, now};
    }
  }
  if (!fits) return;
  known_.make_room(most_known);
  known_.fresh.insert(job.mac);
}

/// The slow part, without any lock.
static bool fits(const Authenticator::Job& job) {
  if (!job.hash.empty()) return verify_password(job.hash, job.password.text());
  verify_nothing(job.password.text());
  return false;
}

void Authenticator::run() {
  ::pthread_setname_np(::pthread_self(), "auth");
  static_cast<void>(::setpriority(PRIO_PROCESS, 0, niceness));  // of this thread alone, on Linux
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    SteadyTime until = SteadyTime::max();
    Source* source = next_source(steady_clock::now(), until);
    if (source == nullptr) {
      std::erase_if(sources_, [](const auto& entry) { return entry.second.jobs.empty(); });
      if (until == SteadyTime::max())
        changed_.wait(lock);
      else
        changed_.wait_until(lock, until);
      continue;
    }
    source->served = ++turn_;
    Job job = std::move(source->jobs.front().job);
    source->jobs.pop_front();
    --waiting_;
    if (job.gone && job.gone->load(std::memory_order_relaxed)) continue;
    lock.unlock();
    bool right = false;
    try {
      checks_.fetch_add(1, std::memory_order_relaxed);
      right = fits(job);
    } catch (const std::exception& error) {  // out of memory: nobody gets in
      static const Logger log("auth");
      log.error("cannot check a password", field("error", error.what()));
    }
    lock.lock();
    note(job, right);
    lock.unlock();
    job.done(right ? Reason::ok : Reason::auth_failed);
    lock.lock();
  }
}

void Authenticator::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace arcus
