#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "lib/base/address.h"
#include "lib/net/deadline.h"
#include "lib/net/stream.h"

namespace arcus {

/// What makes an idle connection usable for someone: never across servers, hence never across tenants.
struct KeepAliveKey {
  std::uint64_t server = 0;  ///< ServerConfig::number
  Endpoint address;
  std::string identity;  ///< TLS name, parent proxy: whatever else must agree; usually empty

  auto operator<=>(const KeepAliveKey&) const = default;
};

/// One thread's idle upstream connections, oldest out first. A connection that ends or says something while
/// idle is closed at once.
class KeepAlivePool {
 public:
  static constexpr std::size_t max_per_destination = 64;

  KeepAlivePool(DeadlineLists& deadlines, std::size_t max_total)
      : deadlines_(deadlines), max_total_(max_total) {}
  ~KeepAlivePool();

  /// The most recently used live connection, without a handler; not valid() when there is none.
  Stream take(const KeepAliveKey& key);
  /// Keeps `stream` for `timeout`. Closes it instead when it is not quiet (surplus bytes, FIN, error).
  void put(const KeepAliveKey& key, Stream stream, std::chrono::milliseconds timeout,
           std::size_t max_idle = max_per_destination);
  /// Closes everything of one server.
  void drop(std::uint64_t server);
  void clear();

  std::size_t size() const noexcept { return order_.size(); }

 private:
  struct Entry;
  using ByKey = std::map<KeepAliveKey, std::vector<Entry*>>;  ///< longest idle first

  struct Entry final : StreamHandler, DeadlineHandler {
    explicit Entry(KeepAlivePool& owner) noexcept : pool(owner) {}
    void on_ready(Stream& ready) override;
    void on_deadline(Deadline& passed) override;

    KeepAlivePool& pool;
    ByKey::iterator at;
    Stream stream;
    Deadline deadline{*this};
    std::list<Entry>::iterator self;
  };

  Entry& make_entry();
  void erase(Entry& entry);

  DeadlineLists& deadlines_;
  std::size_t max_total_;
  ByKey by_key_;
  std::list<Entry> order_;  ///< least recently put first
  std::list<Entry> spare_;  ///< room for some more, without streams
};

}  // namespace arcus
