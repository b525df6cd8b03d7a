#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/address.h"
#include "lib/base/reason.h"
#include "lib/net/deadline.h"
#include "lib/net/poller.h"

namespace arcus {

class Resolver;

/// One question in flight. Destroying it cancels: on_resolved does not come any more.
class ResolveQuery {
 public:
  ResolveQuery() = default;
  ResolveQuery(const ResolveQuery&) = delete;
  ResolveQuery& operator=(const ResolveQuery&) = delete;

  bool is_pending() const noexcept { return resolver_ != nullptr; }
  void cancel() noexcept;

 protected:
  virtual ~ResolveQuery() { cancel(); }
  /// `reason` is ok (then 1 to 16 addresses) or dns_failed. Never called before resolve() has returned.
  virtual void on_resolved(Reason reason, std::span<const IpAddress> addresses) = 0;

 private:
  friend class Resolver;
  Resolver* resolver_ = nullptr;
  ResolveQuery** link_ = nullptr;
  ResolveQuery* next_ = nullptr;
};

/// What the daemon read for us: we have no file system.
struct ResolverTexts {
  std::string resolv_conf;
  std::string hosts;
};

/// Names to addresses by c-ares on this thread's poller, with a cache: answers 1 to 300 s as their TTL says,
/// failures 5 s, 10,000 names at most. The hosts text comes first, literals never get here.
class Resolver {
 public:
  Resolver(Poller& poller, DeadlineLists& deadlines);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// New servers and hosts; empties the cache. Throws Error (failed) when c-ares cannot be set up.
  void configure(const ResolverTexts& texts);
  /// Looks up `name` (any case, one trailing dot allowed). Several queries for one name share the question.
  void resolve(std::string_view name, ResolveQuery& query);
  /// What the cache or the hosts text knows; empty when a look-up would be needed.
  std::span<const IpAddress> known(std::string_view name);

  std::size_t cached_names() const noexcept;

 private:
  friend class ResolveQuery;
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace arcus
