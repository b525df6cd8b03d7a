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
/// Looking through all that waits takes some 100 us, in everybody's way.
static constexpr std::chrono::milliseconds purge_pause{100};
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
  for (const auto* half : {&failures_.fresh, &failures_.old})
    if (const auto found = half->find(key); found != half->end())
      return now - found->second.last < failure_memory ? found->second.count : 0;
  return 0;
}

/// How long a check waits after so many failures.
static seconds delay_after(unsigned failures) {
  if (failures < Authenticator::free_failures) return seconds{0};
  const unsigned doublings = std::min(failures - Authenticator::free_failures, 4U);
  return std::min(seconds{1U << doublings}, Authenticator::longest_delay);
}

bool Authenticator::is_gone(const Job& job) noexcept {
  return job.gone && job.gone->load(std::memory_order_relaxed);
}

/// Takes those that nobody waits for any more out of the queues.
void Authenticator::purge(const std::vector<std::uint64_t>& ids) {
  for (const std::uint64_t id : ids)
    if (is_gone(jobs_.at(id).job)) static_cast<void>(take(id));
}

bool Authenticator::has_threads() {
  try {
    while (threads_.size() < thread_count_) threads_.emplace_back([this] { run(); });
  } catch (const std::exception& error) {
    static const Logger log("auth");
    log.error("no thread for passwords", field("error", error.what()));
  }
  return !threads_.empty();
}

bool Authenticator::is_full(const std::string& tenant_id) const {
  const auto of_this = of_tenant_.find(tenant_id);
  return jobs_.size() >= max_waiting ||
         (of_this != of_tenant_.end() && of_this->second >= max_waiting_per_tenant);
}

/// Makes room where jobs wait that nobody waits for; all of them are looked at only now and then.
bool Authenticator::has_room(const Job& job, SteadyTime now) {
  if (const auto source = sources_.find(job.source); source != sources_.end())
    purge(std::vector<std::uint64_t>{source->second.ids});
  if (!is_full(job.tenant_id)) return true;
  if (now < next_purge_) return false;
  next_purge_ = now + purge_pause;
  std::vector<std::uint64_t> all;
  for (const auto& [id, waiting] : jobs_) all.push_back(id);
  purge(all);
  return !is_full(job.tenant_id);
}

Reason Authenticator::submit(Job job) {
  const std::lock_guard lock(mutex_);
  const SteadyTime now = steady_clock::now();
  if (stopping_) return Reason::rate_limited;
  if (!has_threads()) return Reason::local_resource;
  if (!has_room(job, now)) return Reason::rate_limited;
  const seconds delay = delay_after(failures_of(key_of(job.source, job.tenant_id, job.user), now));
  Source& source = sources_[job.source];
  const bool sleeps = delay.count() > 0;
  if ((sleeps ? source.sleeping : source.ids.size() - source.sleeping) >= max_waiting_per_source)
    return Reason::rate_limited;
  const std::uint64_t id = next_id_++;
  const unsigned failures = failures_of(job.source, now);
  if (sleeps)
    sleeping_.emplace(now + delay, id);
  else
    ready_.emplace(failures, id);
  source.ids.push_back(id);
  source.sleeping += sleeps ? 1U : 0U;
  ++of_tenant_[job.tenant_id];
  jobs_.emplace(id, Waiting{std::move(job), now + delay, failures, sleeps});
  changed_.notify_one();
  return Reason::ok;
}

/// Out of every queue.
Authenticator::Waiting Authenticator::take(std::uint64_t id) {
  auto node = jobs_.extract(id);
  Waiting waiting = std::move(node.mapped());
  if (waiting.sleeps)
    sleeping_.erase({waiting.not_before, id});
  else
    ready_.erase({waiting.failures, id});
  const auto source = sources_.find(waiting.job.source);
  std::erase(source->second.ids, id);
  source->second.sleeping -= waiting.sleeps ? 1U : 0U;
  if (source->second.ids.empty()) sources_.erase(source);
  const auto tenant = of_tenant_.find(waiting.job.tenant_id);
  if (--tenant->second == 0) of_tenant_.erase(tenant);
  return waiting;
}

SteadyTime Authenticator::wake(SteadyTime now) {
  while (!sleeping_.empty() && sleeping_.begin()->first <= now) {
    const std::uint64_t id = sleeping_.begin()->second;
    sleeping_.erase(sleeping_.begin());
    Waiting& waiting = jobs_.at(id);
    waiting.sleeps = false;
    --sources_.at(waiting.job.source).sleeping;
    ready_.emplace(waiting.failures, id);
  }
  return sleeping_.empty() ? SteadyTime::max() : sleeping_.begin()->first;
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
    const SteadyTime next = wake(steady_clock::now());
    if (ready_.empty()) {
      if (next == SteadyTime::max())
        changed_.wait(lock);
      else
        changed_.wait_until(lock, next);
      continue;
    }
    const Job job = take(ready_.begin()->second).job;
    lock.unlock();
    if (!is_gone(job)) answer(job);
    lock.lock();
  }
}

/// Without the lock: the slow part.
void Authenticator::answer(const Job& job) {
  static const Logger log("auth");
  try {
    checks_.fetch_add(1, std::memory_order_relaxed);
    const bool right = fits(job);
    {
      const std::lock_guard lock(mutex_);
      note(job, right);
    }
    job.done(right ? Reason::ok : Reason::auth_failed);
  } catch (const std::exception& error) {  // out of memory: nobody gets in
    log.error("cannot check a password", field("error", error.what()));
    try {
      job.done(Reason::auth_failed);
    } catch (const std::exception&) {  // the client waits until it gives up
    }
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
